"""One exchange, top to bottom. Read this file first.

listener → wire.select → identity → routing.plan → accounting.reserve → guards.admit → upstream.dispatch
         → guards.screen → accounting.settle → recording.close → reply

Three truths the arrow hides: what was reserved is released once, on every exit; an exchange's record is on disk before
the last byte of its answer leaves; and nothing changes a request in place, for it may be sent again.
"""

from __future__ import annotations

import asyncio
from math import ceil

import msgspec

from gateway.accounting.ledger import Ledger
from gateway.core.call import Call
from gateway.core.errors import Blocked, ClientGone, GatewayError
from gateway.core.exchange import AnswerFacts, Incoming
from gateway.core.ports import Identity, Reply
from gateway.core.verdict import CallFacts
from gateway.guards import gate
from gateway.guards.engine import GuardEngine
from gateway.identity.permit import permit_model
from gateway.recording.journal import Journal
from gateway.routing.table import Router
from gateway.upstream.attempt import Attempt
from gateway.upstream.dispatch import Dispatcher
from gateway.wire import passthrough
from gateway.wire.answer_head import JSON, AnswerHead
from gateway.wire.headers import answer_headers
from gateway.wire.select import error_dialect, select


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The rooms, in the order in which a call passes them. A reload builds another one and swaps it in."""

    identity: Identity
    router: Router
    # Providers that answer a dialect whatever the model: our own list of models, when we route by names.
    provider_of: dict[str, str]
    ledger: Ledger
    guards: GuardEngine
    dispatcher: Dispatcher
    journal: Journal
    head: AnswerHead
    loop: asyncio.AbstractEventLoop
    # Calls whose client has gone: their tokens are still to be counted and their records to be filed.
    endings: set[asyncio.Task[None]] = msgspec.field(default_factory=set[asyncio.Task[None]])

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Answer one request. Failures of ``core.errors`` are answered and recorded here; anything else is a bug."""
        call = Call(incoming, reply, self.journal.open(incoming), error_dialect(incoming.path))
        try:
            await self._carry(call)
        except GatewayError as error:
            await self._fail(call, error)
        except asyncio.CancelledError as cancelled:
            await self._cancelled(call, cancelled)
            raise
        finally:
            if not call.handed_on:
                self.ledger.release(call)

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
        call = Call(incoming, reply, self.journal.open(incoming), error_dialect(incoming.path))
        self._answer_error(call, error)

    async def _carry(self, call: Call) -> None:
        incoming, record = call.incoming, call.record
        call.dialect, call.request = dialect, request = select(incoming)
        self.journal.understood(record, request, incoming.headers)
        principal = self.identity.identify(incoming.headers)
        permit_model(principal, request.model)
        plan = self.router.plan(request.model, request.provider or self.provider_of.get(request.dialect, ""))
        call.deployment = deployment = plan.candidates[0]
        self.journal.planned(record, principal, plan, deployment)
        guard = self.guards.plan(
            CallFacts(route=request.route, model=request.model, provider=deployment.provider, team=principal.team)
        )
        record.policy_revision = guard.revision
        call.lease = self.ledger.reserve(principal, request, deployment)
        document = gate.admit(record, guard, dialect, request)
        call.body = dialect.upstream_body(request, document, deployment.model)
        if guard.response_active:
            call.screen = guard.stream_screen()
        opaque = dialect is passthrough.DIALECT and not guard.response_active
        attempt = Attempt(call, self._head, self.journal.now_ns, opaque=opaque)
        call.attempt = attempt
        try:
            self.dispatcher.start(attempt, deployment, request, call.body, incoming, principal.consumed)
        except GatewayError:
            call.attempt = None
            raise
        await attempt.outcome()
        if attempt.reader is not None:
            tail = attempt.reader.finish()
            if not attempt.first_ns:
                call.reply.start(attempt.status, self._head(call))
            await self._settle(call, attempt.reader.facts)
            self._file(call, attempt.status, "", tail)
            call.reply.finish(tail)
            return
        headers = answer_headers(attempt.headers)
        answer, facts, blocked_by = gate.screen(record, guard, dialect, attempt, passthrough.DIALECT)
        call.answer = answer
        await self._settle(call, facts)
        if blocked_by:
            # What was turned back is not kept either.
            call.answer = b""
            raise Blocked(blocked_by)
        self._file(call, attempt.status, "upstream_error" if attempt.status >= 400 else "", answer)
        headers += self.head.lines(record, record.overhead_ms, attempts=1, cost=True)
        call.reply.send(attempt.status, headers, answer)

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
        ending = call.dialect.stream_block(reader) if blocked else call.dialect.stream_error(error, call.record.id)
        tail = error.released + ending
        status = error.status if isinstance(error, ClientGone) else attempt.status
        self._file(call, status, error.code, tail, error)
        call.reply.finish(tail)

    def _answer_error(self, call: Call, error: GatewayError) -> None:
        body = call.dialect.error_body(error, call.record.id)
        retry = b"" if error.retry_after_s is None else b"retry-after: %d\r\n" % max(1, ceil(error.retry_after_s))
        self._file(call, error.status, error.code, body, error)
        if call.reply.started:
            call.reply.abort()
        elif not call.reply.gone:
            head = self.head.lines(call.record, call.record.overhead_ms, attempts=int(call.attempt is not None))
            call.reply.send(error.status, JSON + retry + head, body)

    async def _settle(self, call: Call, facts: AnswerFacts) -> None:
        """Weigh what was used; a usage that nobody reported is estimated first, off the loop when that takes long."""
        if call.screen is not None:
            gate.note_stream(call.record, call.screen)
            call.screen = None
        self.journal.answered(call.record, facts)
        if facts.usage is None:
            facts.usage = await self.ledger.estimate(call)
        self.ledger.settle(call, facts)

    def _file(self, call: Call, status: int, code: str, last: bytes, error: GatewayError | None = None) -> None:
        if isinstance(error, Blocked):
            call.record.verdict = "block"
        call.filed = True
        self.journal.close(call, status, code, last)

    def _head(self, call: Call) -> bytes:
        """The head of a stream, when its first event is in."""
        headers = b"" if call.attempt is None else answer_headers(call.attempt.headers)
        return headers + self.head.lines(call.record, self.journal.overhead_ms(call), attempts=1)
