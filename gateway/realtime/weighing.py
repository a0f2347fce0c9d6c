"""What a session uses, answer by answer: charged to its limits as it goes, and summed for its one record."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.accounting.ledger import Ledger
from gateway.core.call import Call
from gateway.core.exchange import Deployment, Principal, Request
from gateway.core.record import ExchangeRecord
from gateway.core.usage import Usage, total
from gateway.wire.openai_realtime.events import kind_of
from gateway.wire.openai_realtime.usage import realtime_usage
from gateway.wire.shapes import is_object, is_text

_CREATED, _DONE = "response.created", "response.done"
_SESSION = frozenset({"session.created", "session.updated", "transcription_session.created"})
_WRITTEN_DOWN = "conversation.item.input_audio_transcription.completed"
# An answer that never began costs nothing, and says so by saying nothing of it.
_FREE = frozenset({"failed"})


class Scales:
    """Weighs one session.

    Args:
        call: The session.
        principal: Whose it is.
        deployment: Who answers.
        ledger: Charges and prices.
        started_us: When it began, for its prices.

    Attributes:
        responses: Answers that have ended.
        active: Answers that run.
        model_served: The model that the provider says it is.
        finish_reason: How the last answer ended.
    """

    def __init__(
        self, call: Call, request: Request, principal: Principal, deployment: Deployment, ledger: Ledger
    ) -> None:
        self._call = call
        self._request = request
        self._principal = principal
        self._deployment = deployment
        self._ledger = ledger
        self._usage: Usage | None = None
        self._cost: int | None = 0
        self._writer = ""
        self._running: set[str] = set()
        self.responses = 0
        self.model_served = self.finish_reason = ""

    @property
    def active(self) -> bool:
        """Whether an answer runs."""
        return bool(self._running)

    def take(self, event: Any, at_us: int) -> None:
        """Take a server's event.

        Args:
            event: As said.
            at_us: When it came, in microseconds since 1970.

        Raises:
            RateLimited: A limit has no room for another answer.
        """
        kind = kind_of(event)
        if kind == _CREATED:
            self._running.add(_name(event.get("response")))
        elif kind == _DONE:
            self._answered(event.get("response"), at_us)
        elif kind == _WRITTEN_DOWN:
            self._add(realtime_usage(event.get("usage")), at_us, self._writer)
        elif kind in _SESSION:
            self._settings(event.get("session"))

    async def weigh(self, event: Any, at_us: int) -> None:
        """As :meth:`take`; where limits are counted in a store, hold there what the next answer may need.

        Raises:
            RateLimited: A limit has no room for another answer.
        """
        self.take(event, at_us)
        await self._ledger.hold(self._call, self._principal, self._request, self._deployment)

    def close(self, record: ExchangeRecord) -> None:
        """Write the sums into the session's record; an answer that was cut leaves its cost unknown."""
        record.responses = self.responses
        record.finish_reason = self.finish_reason
        record.model_served = self.model_served
        usage, lease = self._usage, self._call.lease
        self._call.lease = None
        if lease is not None:
            if self._running:
                lease.settle(None)
            else:
                lease.void()
        if usage is None:
            return
        record.usage_source = "reported"
        record.input_tokens, record.output_tokens = usage.input_tokens, usage.output_tokens
        record.cached_input_tokens = usage.cache_read_tokens
        record.cache_write_tokens = usage.written_tokens
        record.reasoning_tokens = usage.reasoning_tokens
        record.audio_input_tokens = usage.audio_input_tokens
        record.audio_output_tokens = usage.audio_output_tokens
        record.image_input_tokens = usage.image_input_tokens
        record.cost_nanousd = None if self._running else self._cost

    def _answered(self, response: Any, at_us: int) -> None:
        self._running.discard(_name(response))
        self.responses += 1
        status = response.get("status") if is_object(response) else None
        self.finish_reason = status if is_text(status) else ""
        usage = realtime_usage(response.get("usage")) if is_object(response) else None
        if usage is None and status in _FREE:
            usage = Usage()
        cost = self._add(usage, at_us, "")
        call = self._call
        lease, call.lease = call.lease, None
        if lease is not None:
            lease.settle(usage, cost)
        call.lease = self._ledger.reserve(call, self._principal, self._request, self._deployment)

    def _add(self, usage: Usage | None, at_us: int, model: str) -> int | None:
        if usage is None:
            self._cost = None
            return None
        self._usage = total(self._usage, usage)
        deployment = msgspec.structs.replace(self._deployment, model=model, price=None) if model else self._deployment
        cost = self._ledger.price(deployment, usage, at_us, self._request.model, model or self.model_served)
        self._cost = None if cost is None or self._cost is None else self._cost + cost
        return cost

    def _settings(self, session: Any) -> None:
        if not is_object(session):
            return
        if is_text(model := session.get("model")):
            self.model_served = model[:256]
        audio = session.get("audio")
        source = audio.get("input") if is_object(audio) else None
        for holder, name in ((session, "input_audio_transcription"), (source, "transcription")):
            writer = holder.get(name) if is_object(holder) else None
            if is_object(writer) and is_text(model := writer.get("model")):
                self._writer = model


def _name(response: Any) -> str:
    name = response.get("id") if is_object(response) else None
    return name if is_text(name) else ""
