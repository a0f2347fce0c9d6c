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
        except asyncio.CancelledError:
            if not call.filed:
                ending = self.loop.create_task(self._fail(call, ClientGone("The client went away.")))
                self.endings.add(ending)
                ending.add_done_callback(self.endings.discard)
            raise
        finally:
            if call.lease is not None and call.attempt is None:
                call.lease.void()

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
            route=request.route, model=request.model, provider=deployment.provider, team=principal.team
        )
        record.policy_revision = guard.revision
        call.lease = self.ledger.reserve(principal, request, deployment)
        document = gate.admit(record, guard, dialect, request)
        call.body = dialect.upstream_body(request, document, deployment.model)
        if guard.response_active:
            call.screen = guard.stream_screen()
        opaque = dialect is passthrough.DIALECT and not guard.response_active
        call.attempt = attempt = Attempt(call, self._head, self.journal.now_ns, opaque=opaque)
        self.dispatcher.start(attempt, deployment, request, call.body, incoming, principal.consumed)
        await attempt.outcome()
        if attempt.reader is not None:
            tail = attempt.reader.finish()
            await self._settle(call, attempt.reader.facts)
            self._file(call, attempt.status, "", tail)
            if not attempt.first_ns:
                call.reply.start(attempt.status, self._head(call))
            call.reply.finish(tail)
            return
        call.answer, facts = gate.screen(record, guard, dialect, attempt.headers, attempt.body, passthrough.DIALECT)
        await self._settle(call, facts)
        self._file(call, attempt.status, "upstream_error" if attempt.status >= 400 else "", call.answer)
        call.reply.send(attempt.status, self._head(call), call.answer)

    async def _fail(self, call: Call, error: GatewayError) -> None:
        """End a call that failed, as far as its client can still be told."""
        attempt = call.attempt
        reader = attempt.reader if attempt is not None else None
        if reader is not None:
            await self._settle(call, reader.facts)
        elif call.lease is not None and attempt is not None:
            call.lease.settle(None)
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
            head = self.head.lines(call.record, call.record.overhead_ms, cost=False)
            call.reply.send(error.status, JSON + retry + head, body)

    async def _settle(self, call: Call, facts: AnswerFacts) -> None:
        """Weigh what was used; a usage that nobody reported is estimated first, off the loop when that takes long."""
        if call.screen is not None:
            gate.note_stream(call.record, call.screen)
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
        headers = b"" if call.attempt is None else answer_headers(call.attempt.headers)
        overhead_ms = call.record.overhead_ms if call.filed else self.journal.overhead_ms(call)
        return headers + self.head.lines(call.record, overhead_ms, cost=call.filed)
