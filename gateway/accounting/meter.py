"""Weighing a call: what it may take before it is made, what it took and cost after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from gateway.accounting.chat_tokens import Counted
from gateway.accounting.expected import Expected
from gateway.accounting.limits import Falling, Lease, Limits
from gateway.accounting.prices import PriceBook
from gateway.accounting.stream_meter import StreamMeter
from gateway.clients.tokenizers import Tokenizers
from gateway.core.exchange import AnswerFacts, Deployment, Principal, Request
from gateway.core.limit_state import Quantity
from gateway.core.record import AttemptRecord, ExchangeRecord
from gateway.core.segments import Segment
from gateway.core.usage import Usage

# How many answers of unknown length a limit leaves room for at once, at least.
_GUESSES: Final = 10
# What chat formats put around each message, and before the answer.
_MESSAGE_TOKENS = 4
_PRIMING_TOKENS = 3
# Text that a model reads. Addresses may be whole images in base64, and leaves nobody knows are mostly settings.
_COUNTED = frozenset(
    ("text", "reasoning", "refusal", "tool_name", "tool_argument", "tool_result", "tool_description"),
)


class Accounting:
    """Reserve before the work, settle after it.

    Args:
        prices: What tokens cost.
        tokenizers: Count what a provider did not report.
        limits: What each caller may take.

    Attributes:
        limited: There is a limit on somebody, and it is counted here.
        shared: There is one, and it is counted where gateways do that together.
        by_provider: Some limit depends on who serves a call.
        cost_nanousd: Prices a call: see :meth:`gateway.accounting.prices.PriceBook.cost_nanousd`.
        unix_us: Tells the time of day.
        learn: Learns from a call what others will use: see :meth:`gateway.accounting.expected.Expected.learn`.
    """

    __slots__ = (
        "_expected",
        "_limits",
        "_tokenizers",
        "by_provider",
        "cost_nanousd",
        "learn",
        "limited",
        "shared",
        "unix_us",
    )

    def __init__(
        self, prices: PriceBook, tokenizers: Tokenizers, limits: Limits, expected: Expected | None = None
    ) -> None:
        self.cost_nanousd = prices.cost_nanousd
        self._tokenizers = tokenizers
        self._limits = limits
        self.limited = limits.any and limits.shared is None
        self.shared = limits.any and limits.shared is not None
        self.by_provider = limits.by_provider
        self.unix_us = limits.unix_us
        self._expected = expected or Expected()
        self.learn = self._expected.learn

    def reserve(
        self,
        principal: Principal,
        request: Request,
        deployment: Deployment,
        tags: Mapping[str, str] | None = None,
    ) -> Lease:
        """Take what the call may need from every limit that applies to it.

        Returns:
            The lease to settle on every way out; a ``with`` block around the call makes sure of it.

        Raises:
            RateLimited: A limit has no room for it.
            BudgetExceeded: A budget has none.
            PermissionDenied: Nobody knows what it costs, and a budget demands that.
        """
        limits = self._limits
        falling = limits.falling(principal, (request.model, deployment.provider), tags)
        return limits.take(falling, self._likely(falling, request, deployment))

    async def ask(
        self, principal: Principal, request: Request, deployment: Deployment, tags: Mapping[str, str] | None = None
    ) -> Lease:
        """As :meth:`reserve`, where limits are counted together.

        Raises:
            RateLimited: As there.
            BudgetExceeded: As there.
            PermissionDenied: As there.
            StoreUnavailable: Nobody answers there, and no call is to pass then.
        """
        falling = self._limits.falling(principal, (request.model, deployment.provider), tags)
        return await self._limits.ask(falling, self._likely(falling, request, deployment))

    def _likely(self, falling: Falling, request: Request, deployment: Deployment) -> tuple[int, int | None]:
        """Give the most tokens and money that a call is likely to use, as far as a limit asks."""
        if not (falling.tokens or falling.money):
            return 0, 0
        likely = self._expected.tokens(request, deployment)
        if likely is None:
            return 0, 0
        asked, output, guessed = likely
        tokens = asked + output
        if guessed and falling.tokens:
            # Of a small limit, a mere guess keeps nobody else from the rest.
            tokens = asked + min(output, max(falling.tokens // _GUESSES, 1))
        if not falling.money:
            return tokens, 0
        at_us, usage = self.unix_us(), Usage(asked, 0, 0, output, source="estimated")
        cost = self.cost_nanousd(deployment, usage, at_us, model=request.model, served="")
        if guessed and cost is not None and cost > falling.money // _GUESSES:
            usage = Usage(asked, source="estimated")
            least = self.cost_nanousd(deployment, usage, at_us, model=request.model, served="")
            cost = min(cost, (least or 0) + falling.money // _GUESSES)
        return tokens, cost

    def watch(self, lease: Lease, request: Request, deployment: Deployment) -> StreamMeter | None:
        """Say how a stream's output is counted as it comes.

        Returns:
            ``None`` where nothing depends on it: no limit of tokens or money, or a client that set a length, all of
            which is held.
        """
        falling = lease.falling
        likely = self._expected.tokens(request, deployment) if falling.tokens or falling.money else None
        if likely is None:
            return None
        asked, reserved, guessed = likely
        usage = Usage(asked, 0, 0, reserved, source="estimated")
        cost, rate = self._output_price(request, deployment, usage) if falling.money else (0, 0)
        if not (falling.tokens or rate):
            return None
        held = reserved
        if guessed:
            # Of a small limit, less was held than was guessed.
            held = min(held, lease.tokens - asked) if falling.tokens else held
            held = min(held, (lease.nanousd - cost) // rate) if rate else held
        for charge in falling.charges:
            # A reservation larger than the whole limit was cut to it.
            if charge.quantity is Quantity.TOKENS:
                held = min(held, charge.limit - asked)
            elif charge.quantity is Quantity.NANOUSD and rate:
                held = min(held, (charge.limit - cost) // rate)
        if held == reserved and request.max_output_tokens is not None:
            return None
        return StreamMeter(lease.extend, max(0, held), rate, ends=falling.ends)

    def _output_price(self, request: Request, deployment: Deployment, usage: Usage) -> tuple[int, int]:
        """Give what a call's input costs, and a token of its output, in nano-dollars; nothing where nobody knows."""
        priced: list[int] = []
        for output in (0, 1000):
            more = msgspec.structs.replace(usage, output_text_tokens=output)
            cost = self.cost_nanousd(deployment, more, self._limits.unix_us(), model=request.model, served="")
            if cost is None:
                return 0, 0
            priced.append(cost)
        return priced[0], -((priced[0] - priced[1]) // 1000)

    def settle(
        self,
        record: ExchangeRecord,
        facts: AnswerFacts,
        deployment: Deployment,
        attempt: AttemptRecord | None = None,
    ) -> None:
        """Write what the call used and cost into its record; what nobody knows stays ``None``.

        Args:
            record: Its start and the model asked for are read.
            facts: With the usage as reported, or as :meth:`estimate` made it.
            deployment: Who served the call.
            attempt: The try that answered.
        """
        usage = facts.usage
        if usage is None:
            return
        cost = self.cost_nanousd(
            deployment, usage, record.started_us, model=record.model_requested, served=facts.model_served
        )
        record.usage_source = source = usage.source
        record.input_tokens = input_tokens = usage.input_tokens
        record.output_tokens = output_tokens = usage.output_tokens
        record.cost_nanousd = cost
        if source == "reported":
            record.cached_input_tokens = usage.cache_read_tokens
            record.cache_write_tokens = usage.written_tokens
            record.reasoning_tokens = usage.reasoning_tokens
            record.audio_input_tokens = usage.audio_input_tokens
            record.audio_output_tokens = usage.audio_output_tokens
            record.image_input_tokens = usage.image_input_tokens
        if attempt is not None:
            attempt.input_tokens = input_tokens
            attempt.output_tokens = output_tokens
            attempt.cost_nanousd = cost

    async def estimate(self, request: Request, segments: Iterable[Segment], answer_text: str) -> Usage | None:
        """Count the tokens of a call whose provider reported none. Hidden reasoning cannot be seen, nor caching.

        Args:
            request: Its model decides how text is counted.
            segments: The texts of the request, as its dialect gives them.
            answer_text: The text of the answer, or of as much of it as came.

        Returns:
            ``None`` when the request holds no text that a model reads, so that nothing can be said.
        """
        texts: list[str] = []
        messages: set[tuple[str | int, ...]] = set()
        for segment in segments:
            if segment.kind in _COUNTED:
                texts.append(segment.text)
                if segment.role:
                    messages.add(segment.path[:2])
        if not texts:
            return None
        around = len(messages) * _MESSAGE_TOKENS + _PRIMING_TOKENS if request.operation == "chat" else 0
        return Usage(
            input_fresh_tokens=around + await self._tokenizers.count(request.model, "\n".join(texts)),
            output_text_tokens=await self._tokenizers.count(request.model, answer_text),
            source="estimated",
        )

    async def estimate_chat(self, model: str, counted: Counted, answer_text: str) -> Usage:
        """Count the tokens of a conversation whose provider reported none.

        Args:
            model: Decides how text is counted; as the provider knows it.
            counted: The request, laid out.
            answer_text: The text of the answer, or of as much of it as came.
        """
        return Usage(
            input_fresh_tokens=counted.around + await self._tokenizers.count_each(model, counted.texts),
            output_text_tokens=await self._tokenizers.count(model, answer_text),
            source="estimated",
        )
