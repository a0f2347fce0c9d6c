"""One exchange, top to bottom. Read this file first.

listener → wire.select → course (identity, routing.plan, guards.plan) → accounting.reserve → guards.admit
         → upstream.dispatch → guards.screen → accounting.settle → recording.close → reply

Three truths the arrow hides: what was reserved is released once, on every exit; an exchange's record is written
before the last byte of its answer leaves; and nothing changes a request in place, for it may be sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec

from gateway.accounting.ledger import Ledger, said_to_us
from gateway.core.call import Call
from gateway.core.caller import CallerPending
from gateway.core.errors import Blocked, ClientGone, GatewayError, ProviderError
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import AttemptView, Reply, StreamReader
from gateway.core.record import ExchangeRecord
from gateway.course import Course, Courses
from gateway.guards import gate
from gateway.guards.plan import GuardPlan
from gateway.guards.sessions import Sessions
from gateway.metered import LimitReached, metered
from gateway.moves import Copier, checked, let_go, note_failure
from gateway.recording.journal import Journal
from gateway.recording.ordinary import is_ordinary
from gateway.travel import travel
from gateway.upstream.attempt import Attempt
from gateway.upstream.dispatch import Dispatcher
from gateway.wire import openai_responses, passthrough
from gateway.wire.answer_head import JSON, AnswerHead
from gateway.wire.error_head import error_lines
from gateway.wire.headers import answer_headers
from gateway.wire.proxied import last_word
from gateway.wire.select import error_dialect, select

# How the client's part of a call ends: the status, our code, the last bytes.
Ended = tuple[int, str, bytes]


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The rooms, in the order in which a call passes them. A reload builds another one and swaps it in."""

    courses: Courses
    ledger: Ledger
    dispatcher: Dispatcher
    journal: Journal
    head: AnswerHead
    sessions: Sessions
    loop: asyncio.AbstractEventLoop
    mirrors: Copier | None = None
    # Calls whose client has gone: their tokens are still to be counted and their records to be filed.
    endings: set[asyncio.Task[None]] = msgspec.field(default_factory=set[asyncio.Task[None]])

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Answer one request. Failures of ``core.errors`` are answered and recorded here; anything else is a bug."""
        call = Call(incoming, reply, None, passthrough.DIALECT)
        try:
            request, course = self._begin(call)
            if self.ledger.shared:
                await self.ledger.hold(call, course.principal, request, course.deployment)
            if course.way is not None:
                return await course.way(call, request, course, self)
            document = request.document
            if course.guard.request_active:
                course, document = await self.admit(call, request, course)
            if call.trip is None:
                attempt = self.send(call, request, course, document)
                await attempt
            else:
                course, attempt = await travel(self, call, request, course, document)
            if not self.end_ordinary(call, request, course, attempt):
                await self.end(call, request, course, attempt)
        except GatewayError as error:
            await _fail_through(self, call, error)
        except CallerPending as pending:
            await _once_known(self, call, pending)
        except asyncio.CancelledError as cancelled:
            await self.cancelled(call, cancelled)
            raise
        finally:
            if not call.handed_on:
                let_go(call)
                self.ledger.release(call)

    def _begin(self, call: Call) -> tuple[Request, Course]:
        """Understand a request, and find out who asks, where it goes and under which rules."""
        call.dialect, call.request = _, request = select(call.incoming)
        course = self.courses.find(call, request)
        self._take(call, request, course)
        return request, course

    def _take(self, call: Call, request: Request, course: Course) -> None:
        call.deployment, call.template = course.deployment, course.template
        call.lease = self.ledger.reserve(call, course.principal, request, course.deployment)

    async def admit(self, call: Call, request: Request, course: Course) -> tuple[Course, Any]:
        """Let guards look at a request; where a rule sends it elsewhere, by the rules that hold there, once."""
        record = self.journal.record(call)
        admitted = await gate.admit(record, course.guard, call.dialect, request, self.sessions)
        if admitted.route:
            course = self.courses.reroute(call, course, admitted.route, request)
            self.ledger.release(call)
            self._take(call, request, course)
            await self.ledger.hold(call, course.principal, request, course.deployment)
            self.journal.rerouted(record, course.template)
            kept = gate.rerouted(record)
            admitted = await gate.admit(record, course.guard, call.dialect, request, self.sessions)
            gate.after_reroute(record, kept)
        _admitted(call, record, admitted, self.sessions)
        return course, admitted.document

    def send(self, call: Call, request: Request, course: Course, document: Any) -> Attempt:
        """Start the try at the provider."""
        dialect, guard, deployment = call.dialect, course.guard, course.deployment
        crossing = None if course.bridge is None else course.cross(call, self.journal.record(call), document)
        # What is kept of a call that crosses is what its client said.
        call.body = body = dialect.upstream_body(request, document, deployment.model if crossing is None else "")
        if guard.response_active or guard.judged or call.masks:
            gate.watch(call, guard, restores=dialect is not passthrough.DIALECT)
        self.courses.prepare(request, course, screened=call.screen is not None)
        opaque = dialect is passthrough.DIALECT and not guard.response_active
        made = Attempt if call.lease is None else metered(self.ledger, call.lease, request, deployment)
        call.attempt = attempt = made(call, self.stream_head, self.journal.now_ns, opaque=opaque, gather=guard.gathers)
        try:
            if crossing is None:
                self.dispatcher.start(attempt, deployment, request, body, call.incoming, course.principal.consumed)
            else:
                self.dispatcher.start_crossing(attempt, deployment, crossing, call, course.principal.consumed)
        except GatewayError:
            call.attempt = None
            raise
        if call.judging is not None:
            call.judging.begin(dialect, document, attempt.stop)
        return attempt

    def end_ordinary(self, call: Call, request: Request, course: Course, attempt: Attempt) -> bool:
        """End a call to which nothing happened, in as few steps as that takes; false when there is more to it."""
        ordinary = course.ordinary
        if (
            ordinary is None
            or call.record is not None
            or call.labels is not None
            or attempt.reader is not None
            or attempt.status != 200
        ):
            return False
        call.answer = answer = openai_responses.sealed(attempt.body, request)
        facts = call.dialect.skim(answer)
        if facts.usage is None or not is_ordinary(facts.usage):
            return False
        at_us = self.journal.started_us(call.incoming.received_ns)
        cost = self.ledger.settle_ordinary(call, course.deployment, facts, at_us)
        filed = self.journal.file_ordinary(call, ordinary, facts, at_us, cost)
        if filed is None:
            return False
        headers = answer_headers(attempt.headers) if attempt.block is None else attempt.block
        model = facts.model_served or course.template.model_requested
        shown = ordinary.shown.get(model) or ordinary.show(model, self.head.constant(course.template, model, 1))
        call.reply.send(200, headers + self.head.encode(filed.id, filed.overhead_ms, shown, cost), answer)
        return True

    async def end(self, call: Call, request: Request, course: Course, attempt: Attempt) -> None:
        """From the provider to the client, whatever there is on the way."""
        record, guard = self.journal.record(call), course.guard
        if attempt.reader is not None:
            facts, tail, seen = await self._end_stream(call, request, guard, attempt)
            await self._settle(call, facts)
            _conclude(self, call, record, guard, (attempt.status, "", tail), seen)
            call.reply.finish(tail)
            return
        asked = gate.Asked(request.document, call.masks or {}, passthrough.DIALECT, self.sessions)
        shown = await gate.screen(record, guard, call.dialect, checked(call, attempt), asked)
        call.answer = answer = openai_responses.sealed(shown.body, request)
        if shown.taint:
            self.sessions.taint(record)
        await self._settle(call, shown.facts)
        if shown.rule:
            # What was turned back is not kept either.
            call.answer = b""
            raise Blocked(shown.rule)
        code = "upstream_error" if attempt.status >= 400 else ""
        _conclude(self, call, record, guard, (attempt.status, code, answer), shown.seen)
        overhead_ms = record.overhead_ms if call.filed else self.journal.overhead_ms(call)
        lines = self.head.lines(record, overhead_ms, attempts=_number(call), cost=True)
        lines += last_word(call) if code else b""
        call.reply.send(attempt.status, answer_headers(attempt.headers) + lines, answer)

    async def _end_stream(
        self, call: Call, request: Request, guard: GuardPlan, attempt: Attempt
    ) -> tuple[AnswerFacts, bytes, gate.Seen]:
        """Finish a stream; one that was held until it is whole is judged, and begins only now."""
        record, reader = self.journal.record(call), attempt.reader
        seen: gate.Seen = None
        if reader is None or guard.gathers != "hold":
            tail = await _tail(call, reader)
            if reader is not None and guard.gathers:
                seen = await gate.judge_watched(record, guard, call.dialect, attempt.gathered, request.document)
        else:
            reader.finish()
            data, seen, taint = await gate.judge_held(record, guard, call.dialect, attempt.gathered, request.document)
            if taint:
                self.sessions.taint(record)
            screened = call.dialect.stream_reader(request, call.screen)
            data, tail = await gate.read_slowly(screened, data)
            call.reply.start(attempt.status, self.stream_head(call))
            attempt.shown(screened, len(data))
            call.reply.write(data)
        if not attempt.first_ns:
            call.reply.start(attempt.status, self.stream_head(call))
        return (AnswerFacts() if reader is None else reader.facts), tail, seen

    async def cancelled(self, call: Call, cancelled: asyncio.CancelledError) -> None:
        """End a call whose task was cancelled: by its client's leaving, or by us."""
        reason = cancelled.args[0] if cancelled.args else None
        if call.filed or call.handed_on:
            return
        if isinstance(reason, GatewayError):
            # We are the ones who leave: the client is still there to be told.
            await self.fail(call, reason)
            return
        call.handed_on = True
        _keep(self, self.fail(call, ClientGone("The client went away.")))

    def refuse(self, incoming: Incoming, reply: Reply, error: GatewayError) -> None:
        """Answer a request that never became one, or whose handling broke down."""
        self._answer_error(Call(incoming, reply, None, error_dialect(incoming.path)), error)

    async def fail(self, call: Call, error: GatewayError) -> None:
        """End a call that failed, as far as its client can still be told."""
        attempt = call.attempt
        for screened in let_go(call):
            gate.note(self.journal.record(call), screened)
        reader = attempt.reader if attempt is not None else None
        if reader is not None and attempt is not None and _used(call, attempt, reader, error):
            await self._settle(call, reader.facts)
        else:
            self.ledger.release(call)
        if reader is None or attempt is None or not _begun(call, attempt, error):
            self._answer_error(call, error)
            return
        if not call.reply.started:
            call.reply.start(attempt.status, self.stream_head(call))
        tail = error.released + _ending(call, reader, error, self.journal.record(call).id)
        status = error.status if isinstance(error, ClientGone) else _shown_status(attempt)
        self._file(call, status, error.code, tail, error)
        call.reply.finish(tail)

    def _answer_error(self, call: Call, error: GatewayError) -> None:
        record = self.journal.record(call)
        body = call.dialect.error_body(error, record.id)
        self._file(call, error.status, error.code, body, error)
        if call.reply.started:
            call.reply.abort()
        elif not call.reply.gone:
            head = self.head.lines(record, record.overhead_ms, attempts=_number(call))
            call.reply.send(error.status, JSON + error_lines(call.dialect, error) + head + last_word(call), body)

    async def _settle(self, call: Call, facts: AnswerFacts) -> None:
        """Weigh what was used; a usage that nobody reported is estimated first, off the loop when that takes long."""
        record = self.journal.record(call)
        _screened(record, call, self.sessions)
        if call.crossing is not None:
            # The client's dialect may have no words for all of it, or none for nobody having told.
            facts.usage = call.crossing.usage
        if facts.usage is None or call.part is not None:
            facts.usage = await self.ledger.weigh(call, facts)
        self.journal.answered(record, facts)
        self.ledger.settle(call, record, facts)

    def _file(self, call: Call, status: int, code: str, last: bytes, error: GatewayError | None = None) -> None:
        if error is not None:
            note_failure(self.journal.record(call), call.attempt, error)
        call.filed = True
        self.journal.close(call, status, code, last)

    def stream_head(self, call: Call) -> bytes:
        """The head of a stream, when its first event is in."""
        attempt, lease = call.attempt, call.lease
        told = {} if attempt is None else attempt.headers if lease is None else self.ledger.tell(call, attempt, lease)
        overhead_ms = self.journal.overhead_ms(call)
        return answer_headers(told) + self.head.lines(self.journal.record(call), overhead_ms, attempts=_number(call))


def _number(call: Call) -> int:
    """How many tries there were at providers."""
    return int(call.attempt is not None) if call.trip is None else call.trip.made


def _used(call: Call, attempt: AttemptView, reader: StreamReader, error: GatewayError) -> bool:
    """Whether a stream that failed has cost anything, as far as anybody can know: one that said nothing has not."""
    if call.crossing is not None or not isinstance(error, ProviderError):
        return True
    facts = reader.facts
    told = facts.usage is not None or facts.begun is not None
    return told or bool(call.dialect.answer_text(None, said_to_us(attempt, reader)))


def _shown_status(attempt: AttemptView) -> int:
    """What the client of a stream was told: where somebody was to go on with it, it knows of the beginning only."""
    return attempt.status if 0 < attempt.status < 400 else 200


def _begun(call: Call, attempt: AttemptView, error: GatewayError) -> bool:
    """Whether a stream that failed is one to its client: of what was held back whole, nothing is."""
    return call.reply.started or ((bool(error.released) or isinstance(error, LimitReached)) and not attempt.held)


def _ending(call: Call, reader: StreamReader, error: GatewayError, exchange_id: str) -> bytes:
    """The events that end a stream which failed."""
    if isinstance(error, Blocked | LimitReached):
        return call.dialect.stream_block(reader) if isinstance(error, Blocked) else call.dialect.stream_limit(reader)
    error.event_number = openai_responses.next_event(reader)
    return call.dialect.stream_error(error, exchange_id)


async def _once_known(rooms: Pipeline, call: Call, pending: CallerPending) -> None:
    """Begin a call again when it can be told who calls; nothing has been done for it yet."""
    try:
        await pending.wait()
    except asyncio.CancelledError as cancelled:
        await rooms.cancelled(call, cancelled)
        raise
    await rooms.handle(call.incoming, call.reply)


async def _fail_through(rooms: Pipeline, call: Call, error: GatewayError) -> None:
    """End a call that failed; should its client leave meanwhile, without it."""
    if call.request is None:
        call.dialect = error_dialect(call.incoming.path)
    try:
        await rooms.fail(call, error)
    except asyncio.CancelledError:
        if not call.filed:
            call.handed_on = True
            _keep(rooms, rooms.fail(call, error))
        raise


def _keep(rooms: Pipeline, work: Coroutine[Any, Any, None]) -> None:
    """Let a call end whose client is not there any more, or has its answer."""
    ending = rooms.loop.create_task(work)
    rooms.endings.add(ending)
    ending.add_done_callback(rooms.endings.discard)


def _admitted(call: Call, record: ExchangeRecord, admitted: gate.Admitted, sessions: Sessions) -> None:
    """Take in what rules made of a request."""
    call.masks = admitted.masks or None
    if admitted.taint:
        sessions.taint(record)
    if call.trip is not None:
        call.trip.judge(admitted.score, record.verdict, tainted=admitted.taint)


def _screened(record: ExchangeRecord, call: Call, sessions: Sessions) -> None:
    """Note what was found in a stream, once."""
    if call.screen is not None:
        gate.note_stream(record, call.screen, call.clauses)
        if call.screen.taint:
            sessions.taint(record)
        call.screen = None


def _conclude(
    rooms: Pipeline, call: Call, record: ExchangeRecord, guard: GuardPlan, ended: Ended, seen: gate.Seen
) -> None:
    """File a call that ends well: when those who only observe have spoken, and large bodies are looked through."""
    waits = guard.observes or call.judging is not None
    if waits or (record.capture and rooms.journal.capturing.is_heavy(call, rooms.endings)):
        call.handed_on = True
        _keep(rooms, _observe(rooms.journal, call, guard, (*ended, rooms.journal.now_ns()), seen))
        return
    call.filed = True
    rooms.journal.close(call, *ended)


async def _observe(
    journal: Journal, call: Call, guard: GuardPlan, ended: tuple[int, str, bytes, int], seen: gate.Seen
) -> None:
    """File a call that is over when those who only observe have spoken."""
    status, code, last, at_ns = ended
    await gate.observe(call, journal.record(call), guard, seen)
    await journal.capturing.look_through(call, journal.record(call))
    call.filed = True
    journal.close(call, status, code, last, at_ns)


async def _tail(call: Call, reader: StreamReader | None) -> bytes:
    """What is left of a stream when the provider has said all; a clause that nobody has judged yet is waited for."""
    return b"" if reader is None else reader.finish() if call.clauses is None else await call.clauses.finish(reader)
