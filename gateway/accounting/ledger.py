"""Accounting over a whole call: what the pipeline asks for, put together from meter, prices and limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from gateway.accounting.background import Background
from gateway.accounting.chat_tokens import Counted, is_legacy, to_count, vendor_of
from gateway.accounting.limits import Lease
from gateway.accounting.meter import Accounting
from gateway.accounting.stream_meter import StreamMeter
from gateway.core.call import Call
from gateway.core.errors import MalformedRequest
from gateway.core.exchange import AnswerFacts, Deployment, Headers, Principal, Request
from gateway.core.limit_state import Lease as Held
from gateway.core.ports import AttemptView, StreamReader
from gateway.core.record import ExchangeRecord
from gateway.core.usage import Usage
from gateway.wire import passthrough
from gateway.wire.bridge import CODECS
from gateway.wire.limit_head import header_lines, limit_headers

# Operations whose answers have tokens worth estimating; a list of models has none.
WEIGHED = frozenset({"chat", "text_completion", "embeddings"})
# Larger requests, with images mostly, and answers are read on a thread: the loop has other calls.
_AT_ONCE_BYTES = 65_536


class Ledger:
    """Reserves before the work and settles after it.

    Args:
        accounting: Does the counting and pricing.
        background: Remembers answers that are made without their client.

    Attributes:
        settle: Writes what a call used and cost into its record, and charges it; of an answer in parts, the last one's.
        settle_ordinary: Charges what a call used that has no record to write it into; gives what it cost.
        shared: Limits are counted where gateways do that together: what :meth:`reserve` and :meth:`ahead` do at once is
            waited for with :meth:`hold` and :meth:`ask_ahead` then.
    """

    __slots__ = ("_accounting", "_background", "settle", "settle_ordinary", "shared")

    def __init__(self, accounting: Accounting, background: Background | None = None) -> None:
        self._accounting = accounting
        self._background = background or Background()
        self.shared = accounting.shared
        self.show(None)

    def show(self, to: Callable[[Call, AnswerFacts], None] | None) -> None:
        """Show somebody what is settled from now on; to nobody takes no step more than if there were no such thing."""
        self.settle: Callable[[Call, ExchangeRecord, AnswerFacts], None] = self._settle
        self.settle_ordinary: Callable[[Call, Deployment, AnswerFacts, int], int | None] = self._settle_ordinary
        if to is None:
            return

        def settle(call: Call, record: ExchangeRecord, facts: AnswerFacts) -> None:
            self._settle(call, record, facts)
            to(call, facts)

        def settle_ordinary(call: Call, deployment: Deployment, facts: AnswerFacts, at_us: int) -> int | None:
            cost = self._settle_ordinary(call, deployment, facts, at_us)
            to(call, facts)
            return cost

        self.settle, self.settle_ordinary = settle, settle_ordinary

    def reserve(self, call: Call, principal: Principal, request: Request, deployment: Deployment) -> Lease | None:
        """Hold what the call may need; ``None`` where there are no limits.

        Raises:
            RateLimited: A limit has no room for it.
            BudgetExceeded: A budget has none.
            PermissionDenied: Nobody knows what it costs, and a budget demands that.
        """
        if not self._accounting.limited:
            return None
        labels = call.labels
        return self._accounting.reserve(principal, request, deployment, None if labels is None else labels.tags)

    async def hold(self, call: Call, principal: Principal, request: Request, deployment: Deployment) -> None:
        """Hold what the call may need and does not hold yet, where that is asked of a store.

        Raises:
            RateLimited: As of :meth:`reserve`.
            BudgetExceeded: The same.
            PermissionDenied: The same.
            StoreUnavailable: Nobody answers there, and no call is to pass then.
        """
        if call.lease is None and self.shared:
            tags = None if call.labels is None else call.labels.tags
            call.lease = await self._accounting.ask(principal, request, deployment, tags)

    async def ask_ahead(
        self, call: Call, principal: Principal, request: Request, deployment: Deployment
    ) -> Lease | None:
        """As :meth:`ahead`, where that is asked of a store.

        Raises:
            RateLimited: A limit has no room for it.
            StoreUnavailable: Nobody answers there, and no call is to pass then.
        """
        if not (self.shared and self._accounting.by_provider):
            return None
        tags = None if call.labels is None else call.labels.tags
        return await self._accounting.ask(principal, request, deployment, tags)

    def move(self, call: Call, principal: Principal, request: Request, deployment: Deployment) -> None:
        """Hold for another deployment what a call holds; what it failed to use at the one before is not charged.

        Raises:
            RateLimited: A limit on the other has no room for it.
        """
        if self._accounting.by_provider:
            lease, call.lease = call.lease, None
            if lease is not None:
                lease.void()
            call.lease = self.reserve(call, principal, request, deployment)

    def watch(self, held: Held, request: Request, deployment: Deployment) -> StreamMeter | None:
        """Say how a stream's output is counted as it comes; ``None`` where nothing depends on it."""
        lease: Held | None = held
        while not isinstance(lease, Lease):
            if lease is None:
                return None
            # The lease of a call that two are asked for holds the call's own.
            lease = getattr(lease, "lease", None)
        if lease.meter is None:
            lease.meter = self._accounting.watch(lease, request, deployment)
        return lease.meter

    def _settle_ordinary(self, call: Call, deployment: Deployment, facts: AnswerFacts, at_us: int) -> int | None:
        lease, call.lease = call.lease, None
        usage, template = facts.usage, call.template
        if usage is None or template is None:
            if lease is not None:
                lease.settle(usage)
            return None
        cost = self._accounting.cost_nanousd(
            deployment, usage, at_us, model=template.model_requested, served=facts.model_served
        )
        if lease is not None:
            if call.attempt is not None:
                self.tell(call, call.attempt, lease)
            lease.settle(usage, cost)
            self._learn(call, usage)
        return cost

    def _settle(self, call: Call, record: ExchangeRecord, facts: AnswerFacts) -> None:
        if call.deployment is not None:
            self._accounting.settle(record, facts, call.deployment)
        lease, call.lease = call.lease, None
        if lease is None:
            return
        if call.attempt is not None and not call.reply.started:
            self.tell(call, call.attempt, lease)
        if call.spent is None:
            lease.settle(facts.usage, record.cost_nanousd)
            self._learn(call, facts.usage)
        else:
            lease.settle(*call.spent.due(facts.usage, record.cost_nanousd))

    def tell(self, call: Call, attempt: AttemptView, lease: Held) -> Headers:
        """Put how the limits stand into an answer's headers: ours in the place of the provider's of that name."""
        ours, theirs = limit_headers(call.dialect.name, lease.standings(), self._accounting.unix_us()), attempt.headers
        if ours:
            attempt.headers = {**theirs, **ours}
            if attempt.block is not None:
                # The provider's lines stay as they are, where none of them is in the way.
                attempt.block = attempt.block + header_lines(ours) if theirs.keys().isdisjoint(ours) else None
        return attempt.headers

    def _learn(self, call: Call, usage: Usage | None) -> None:
        if usage is not None and call.request is not None and call.deployment is not None:
            self._accounting.learn(call.request, call.deployment, usage)

    def weigh_part(self, call: Call, record: ExchangeRecord, facts: AnswerFacts) -> None:
        """Write what a part of an answer used and cost into the call's record; it is charged with the rest of it."""
        if call.deployment is not None:
            self._accounting.settle(record, facts, call.deployment)

    def ahead(self, call: Call, principal: Principal, request: Request, deployment: Deployment) -> Lease | None:
        """Hold what a call needs of the limits on the deployment that goes on with it; ``None`` where there are none.

        Raises:
            RateLimited: A limit has no room for it.
        """
        return self.reserve(call, principal, request, deployment) if self._accounting.by_provider else None

    @staticmethod
    def change(call: Call, lease: Held | None) -> None:
        """Charge the parts so far to the limits on who made them, and go on with those that :meth:`ahead` held."""
        if lease is not None:
            held, call.lease = call.lease, lease
            if held is not None and call.spent is not None:
                held.settle(*call.spent.due(None, 0))
                call.spent.owed, call.spent.owed_nanousd = None, 0

    def price(self, deployment: Deployment, usage: Usage, at_us: int, model: str, served: str) -> int | None:
        """Price a part of a call: see :meth:`gateway.accounting.prices.PriceBook.cost_nanousd`."""
        return self._accounting.cost_nanousd(deployment, usage, at_us, model=model, served=served)

    def release(self, call: Call) -> None:
        """End what a call still holds, on a way out that settled nothing: what it used then is not known."""
        lease, call.lease = call.lease, None
        if lease is None:
            return
        if call.attempt is None:
            lease.void()
        else:
            lease.settle(None)

    async def weigh(self, call: Call, facts: AnswerFacts) -> Usage | None:
        """Say what a call, or the part of its answer under way, used: what was reported, else what is counted."""
        if call.part is not None:
            # A stream that was gone on with still says who began it.
            facts.model_served, facts.begun = call.part.model, None
        return facts.usage or await self.estimate(call, facts)

    async def estimate(self, call: Call, facts: AnswerFacts) -> Usage | None:
        """Count the tokens of a call whose provider reported none; ``None`` where there is nothing to count.

        An answer that is made in the background is weighed when it is fetched whole, once; until then nobody knows.
        """
        request, attempt = call.request, call.attempt
        if request is not None and request.detached and attempt is not None and attempt.reader is None:
            if request.document is None:
                return self._background.fetched(request.stored, facts.fetched)
            if self._background.began(call.answer):
                return None
        if request is None or attempt is None or attempt.status != 200 or request.operation not in WEIGHED:
            return None
        asked = request.document
        if call.part is not None:
            asked, text = call.part.document, call.part.text
        elif len(call.answer) <= _AT_ONCE_BYTES:
            text = _said(call, attempt)
        else:
            text = await asyncio.to_thread(_said, call, attempt)
        if text is None:
            return None
        if len(request.body) <= _AT_ONCE_BYTES:
            counted, model = _laid_out(call, request, asked, facts)
        else:
            counted, model = await asyncio.to_thread(_laid_out, call, request, asked, facts)
        if counted is not None:
            usage = await self._accounting.estimate_chat(model, counted, text)
        else:
            usage = await self._accounting.estimate(request, call.dialect.segments(asked), text)
        return usage if facts.begun is None else gone_on(facts.begun, usage)


def _said(call: Call, attempt: AttemptView) -> str | None:
    """Give the text of an answer, or of as much as came of it; ``None`` where it cannot be read."""
    if attempt.reader is not None:
        return call.dialect.answer_text(None, said_to_us(attempt, attempt.reader))
    framed = passthrough.open_answer(attempt.headers, call.answer)
    try:
        document = orjson.loads(call.answer) if framed is None else framed[0]
    except orjson.JSONDecodeError:
        return None
    return call.dialect.answer_text(document, [])


def _laid_out(call: Call, request: Request, asked: Any, facts: AnswerFacts) -> tuple[Counted | None, str]:
    """Lay a conversation out for counting, and name its model; ``None`` for what is no conversation."""
    deployment = call.deployment
    model = facts.model_served or (deployment.model if deployment is not None else "") or request.model
    codec = CODECS.get(call.dialect.name)
    if codec is None or asked is None:
        return None, model
    try:
        chat = codec.read_request(asked, call.incoming.path)
    except MalformedRequest:
        # The provider understood more than we do.
        return None, model
    vendor = vendor_of("" if deployment is None else deployment.kind, model)
    return to_count(chat, vendor, model, legacy=is_legacy(asked)), model


def said_to_us(attempt: AttemptView, reader: StreamReader) -> list[bytes]:
    """What a stream's provider has sent, and is paid for: also what rules still hold back, or have taken out."""
    return attempt.received or reader.kept


def gone_on(begun: Usage, counted: Usage | None) -> Usage:
    """What was used by a stream that was cut: what its provider told at the beginning, and what came after that."""
    if counted is None or not begun.input_tokens:
        return counted or begun
    output = max(begun.output_text_tokens, counted.output_text_tokens)
    return msgspec.structs.replace(begun, output_text_tokens=output, source="estimated")
