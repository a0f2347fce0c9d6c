"""One exchange, top to bottom. Read this file first.

listener → wire.select → course (identity, routing.plan, guards.plan) → accounting.reserve → guards.admit
         → upstream.dispatch → guards.screen → accounting.settle → recording.close → reply

Three truths the arrow hides: what was reserved is released once, on every exit; an exchange's record is written
before the last byte of its answer leaves; and nothing changes a request in place, for it may be sent again.
"""

from __future__ import annotations

import asyncio
from math import ceil

import msgspec

from gateway.accounting.ledger import Ledger
from gateway.core.call import Call
from gateway.core.errors import Blocked, ClientGone, GatewayError
from gateway.core.exchange import AnswerFacts, Incoming
from gateway.core.ports import Reply
from gateway.course import Course, Courses
from gateway.guards import gate
from gateway.recording.journal import Journal
from gateway.recording.ordinary import is_ordinary
from gateway.upstream.attempt import Attempt
from gateway.upstream.dispatch import Dispatcher
from gateway.wire import passthrough
from gateway.wire.answer_head import JSON, AnswerHead
from gateway.wire.headers import answer_headers
from gateway.wire.select import error_dialect, select


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The rooms, in the order in which a call passes them. A reload builds another one and swaps it in."""

    courses: Courses
    ledger: Ledger
    dispatcher: Dispatcher
    journal: Journal
    head: AnswerHead
    loop: asyncio.AbstractEventLoop
    # Calls whose client has gone: their tokens are still to be counted and their records to be filed.
    endings: set[asyncio.Task[None]] = msgspec.field(default_factory=set[asyncio.Task[None]])

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Answer one request. Failures of ``core.errors`` are answered and recorded here; anything else is a bug."""
        call = Call(incoming, reply, None, error_dialect(incoming.path))
        try:
            course, attempt = self._begin(call)
            await attempt
            if not self._end_ordinary(call, course, attempt):
                await self._end(call, course, attempt)
        except GatewayError as error:
            await self._fail(call, error)
        except asyncio.CancelledError as cancelled:
            await self._cancelled(call, cancelled)
            raise
        finally:
            if call.lease is not None and not call.handed_on:
                self.ledger.release(call)

    def _begin(self, call: Call) -> tuple[Course, Attempt]:
        """From the client to the provider."""
        incoming = call.incoming
        call.dialect, call.request = dialect, request = select(incoming)
        course = self.courses.find(call, request)
        call.deployment = deployment = course.deployment
        call.template = course.template
        call.lease = self.ledger.reserve(course.principal, request, deployment)
        guard = course.guard
        document = request.document
        if guard.request_active:
            document = gate.admit(self.journal.record(call), guard, dialect, request)
        call.body = body = dialect.upstream_body(request, document, deployment.model)
        if guard.response_active:
            call.screen = guard.stream_screen()
        opaque = dialect is passthrough.DIALECT and not guard.response_active
        attempt = Attempt(call, self._head, self.journal.now_ns, opaque=opaque)
        call.attempt = attempt
        try:
            self.dispatcher.start(attempt, deployment, request, body, incoming, course.principal.consumed)
        except GatewayError:
            call.attempt = None
            raise
        return course, attempt

    def _end_ordinary(self, call: Call, course: Course, attempt: Attempt) -> bool:
        """End a call to which nothing happened, the way nearly all of them end, in as few steps as that takes.

        Returns:
            False when there is more to it: the call is still to be ended.
        """
        ordinary = course.ordinary
        if ordinary is None or call.labels is not None or attempt.reader is not None or attempt.status != 200:
            return False
        call.answer = answer = attempt.body
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

    async def _end(self, call: Call, course: Course, attempt: Attempt) -> None:
        """From the provider to the client, whatever there is on the way."""
        record, reader = self.journal.record(call), attempt.reader
        if reader is not None:
            tail = reader.finish()
            if not attempt.first_ns:
                call.reply.start(attempt.status, self._head(call))
            await self._settle(call, reader.facts)
            self._file(call, attempt.status, "", tail)
            call.reply.finish(tail)
            return
        headers = answer_headers(attempt.headers)
        answer, facts, blocked_by = gate.screen(record, course.guard, call.dialect, attempt, passthrough.DIALECT)
        call.answer = answer
        await self._settle(call, facts)
        if blocked_by:
            # What was turned back is not kept either.
            call.answer = b""
            raise Blocked(blocked_by)
        self._file(call, attempt.status, "upstream_error" if attempt.status >= 400 else "", answer)
        headers += self.head.lines(record, record.overhead_ms, attempts=1, cost=True)
        call.reply.send(attempt.status, headers, answer)

    async def _cancelled(self, call: Call, cancelled: asyncio.CancelledError) -> None:
        reason = cancelled.args[0] if cancelled.args else None
        if call.filed:
            return
        if isinstance(reason, GatewayError):
            # We are the ones who leave: the client is still there to be told.
            await self._fail(call, reason)
            return
        call.handed_on = True
        ending = self.loop.create_task(self._fail(call, ClientGone("The client went away.")))
        self.endings.add(ending)
        ending.add_done_callback(self.endings.discard)

    def refuse(self, incoming: Incoming, reply: Reply, error: GatewayError) -> None:
        """Answer a request that never became one, or whose handling broke down."""
        self._answer_error(Call(incoming, reply, None, error_dialect(incoming.path)), error)

    async def _fail(self, call: Call, error: GatewayError) -> None:
        """End a call that failed, as far as its client can still be told."""
        attempt = call.attempt
        reader = attempt.reader if attempt is not None else None
        if reader is not None:
            await self._settle(call, reader.facts)
        else:
            self.ledger.release(call)
        if reader is None or attempt is None or not call.reply.started:
            self._answer_error(call, error)
            return
        blocked = isinstance(error, Blocked)
        exchange_id = self.journal.record(call).id
        ending = call.dialect.stream_block(reader) if blocked else call.dialect.stream_error(error, exchange_id)
        tail = error.released + ending
        status = error.status if isinstance(error, ClientGone) else attempt.status
        self._file(call, status, error.code, tail, error)
        call.reply.finish(tail)

    def _answer_error(self, call: Call, error: GatewayError) -> None:
        record = self.journal.record(call)
        body = call.dialect.error_body(error, record.id)
        retry = b"" if error.retry_after_s is None else b"retry-after: %d\r\n" % max(1, ceil(error.retry_after_s))
        self._file(call, error.status, error.code, body, error)
        if call.reply.started:
            call.reply.abort()
        elif not call.reply.gone:
            head = self.head.lines(record, record.overhead_ms, attempts=int(call.attempt is not None))
            call.reply.send(error.status, JSON + retry + head, body)

    async def _settle(self, call: Call, facts: AnswerFacts) -> None:
        """Weigh what was used; a usage that nobody reported is estimated first, off the loop when that takes long."""
        record = self.journal.record(call)
        if call.screen is not None:
            gate.note_stream(record, call.screen)
            call.screen = None
        self.journal.answered(record, facts)
        if facts.usage is None:
            facts.usage = await self.ledger.estimate(call)
        self.ledger.settle(call, record, facts)

    def _file(self, call: Call, status: int, code: str, last: bytes, error: GatewayError | None = None) -> None:
        if isinstance(error, Blocked):
            self.journal.record(call).verdict = "block"
        call.filed = True
        self.journal.close(call, status, code, last)

    def _head(self, call: Call) -> bytes:
        """The head of a stream, when its first event is in."""
        headers = b"" if call.attempt is None else answer_headers(call.attempt.headers)
        return headers + self.head.lines(self.journal.record(call), self.journal.overhead_ms(call), attempts=1)
