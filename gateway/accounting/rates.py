"""Rates: prices made ready for exact arithmetic, and which of them holds at a moment for a size of call."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import cast

from gateway.core.usage import Apart, Price, Usage

# Dollars for a million tokens to nano-dollars for one.
_NANO_A_TOKEN = 1000
_NANO_A_DOLLAR = 1_000_000_000
_DAY_S = 86_400

_ANY_TOOL = "*"
# Dollars by name; the names are fields of PriceRow without "_usd_mtok", and "per_call" in dollars a call.
Dollars = Mapping[str, Decimal]
_NO_TOOLS: Dollars = {}


class Rate:
    """One flat set of prices, as integers over a common denominator: no cent is lost to binary fractions.

    A bucket without a price takes its parent's where it shares it: cache read, cache write and image that of input,
    reasoning that of output. Audio does not, since it never costs what text costs,
    nor what is written to a cache for an hour, nor images that come out.

    Args:
        dollars: Prices by bucket.
        tools: Dollars for each use of the provider's own tools, by tool; ``*`` for any other.
    """

    __slots__ = ("_denominator", "_each", "_image_output", "_per_call", "_plain", "_tools")

    def __init__(self, dollars: Dollars, tools: Dollars = _NO_TOOLS) -> None:
        exact = {name: Fraction(price) * _NANO_A_TOKEN for name, price in dollars.items() if name != "per_call"}
        per_call = Fraction(dollars.get("per_call", Decimal(0))) * _NANO_A_DOLLAR
        plain_in, plain_out = exact.get("input"), exact.get("output")
        each = (
            plain_in,
            plain_out,
            exact.get("reasoning", plain_out),
            exact.get("cached_input", plain_in),
            exact.get("cache_write", plain_in),
            exact.get("audio_input"),
            exact.get("audio_output"),
            exact.get("image_input", plain_in),
            exact.get("cache_write_1h"),
        )
        image, fees = exact.get("image_output"), {name: Fraction(fee) * _NANO_A_DOLLAR for name, fee in tools.items()}
        known = [price for price in (per_call, image, *fees.values(), *each) if price is not None]
        self._denominator = math.lcm(*(price.denominator for price in known))
        self._each = tuple(None if price is None else int(price * self._denominator) for price in each)
        self._per_call = int(per_call * self._denominator)
        self._image_output = None if image is None else int(image * self._denominator)
        self._tools = {name: int(fee * self._denominator) for name, fee in fees.items()}
        text = self._each[:4]
        self._plain = None if None in text else cast("tuple[int, int, int, int]", text)

    def cost_nanousd(self, usage: Usage) -> int | None:
        """Price a call: nano-dollars, rounded half to even, or ``None`` when a bucket in use has no price."""
        plain = self._plain
        total = self._per_call
        if plain is not None and not (
            usage.cache_write_tokens
            or usage.cache_write_1h_tokens
            or usage.audio_input_tokens
            or usage.audio_output_tokens
            or usage.image_input_tokens
            or usage.apart is not None
        ):
            # Text alone: nearly every call.
            total += usage.input_fresh_tokens * plain[0] + usage.output_text_tokens * plain[1]
            total += usage.reasoning_tokens * plain[2] + usage.cache_read_tokens * plain[3]
            return total if self._denominator == 1 else self._rounded(total)
        counts = (
            usage.input_fresh_tokens,
            usage.output_text_tokens,
            usage.reasoning_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.audio_input_tokens,
            usage.audio_output_tokens,
            usage.image_input_tokens,
            usage.cache_write_1h_tokens,
        )
        for tokens, each in zip(counts, self._each, strict=True):
            if tokens:
                if each is None:
                    return None
                total += tokens * each
        if usage.apart is not None:
            more = self._apart(usage.apart)
            if more is None:
                return None
            total += more
        return self._rounded(total)

    def _apart(self, apart: Apart) -> int | None:
        """Price what few calls have, as a numerator; which tier they were served in has chosen the rate."""
        total = 0
        if apart.image_output_tokens:
            if self._image_output is None:
                return None
            total = apart.image_output_tokens * self._image_output
        for tool, calls in apart.tool_calls:
            fee = self._tools.get(tool, self._tools.get(_ANY_TOOL))
            if fee is None:
                return None
            total += calls * fee
        return total

    def _rounded(self, total: int) -> int:
        whole, rest = divmod(total, self._denominator)
        twice = rest * 2
        if twice > self._denominator or (twice == self._denominator and whole & 1):
            whole += 1
        return whole

    def price(self) -> Price:
        """The same prices as floats, for comparisons. A reasoning price of its own is left out."""
        each = [None if price is None else price / self._denominator for price in self._each]
        return Price(
            input_nanousd=each[0],
            output_nanousd=each[1],
            cache_read_nanousd=each[3],
            cache_write_nanousd=each[4],
            audio_input_nanousd=each[5],
            audio_output_nanousd=each[6],
            image_input_nanousd=each[7],
            cache_write_1h_nanousd=each[8],
            per_call_nanousd=self._per_call / self._denominator,
        )


Bands = tuple[tuple[int, Rate | None], ...]
_NO_TIERS: Mapping[str, Bands] = {}


class Tariff:
    """Prices under one condition, by size of input.

    Args:
        bands: ``(above, rate)`` by rising total input tokens; the first one's ``above`` is -1. No rate:
            what it costs is not known.
        from_us: Microseconds since 1970 from which they hold; ``None`` for always.
        daily: Seconds of the day (UTC), from and until, between which they hold; may span midnight.
        tiers: Bands of service tiers that are not the standard one, by their names.
    """

    __slots__ = ("_daily", "_from_us", "bands", "tiers")

    def __init__(
        self,
        bands: Bands,
        from_us: int | None = None,
        daily: tuple[int, int] | None = None,
        tiers: Mapping[str, Bands] = _NO_TIERS,
    ) -> None:
        self.bands = bands
        self.tiers = tiers
        self._from_us = from_us
        self._daily = daily

    @property
    def constant(self) -> bool:
        """Holds at any moment."""
        return self._from_us is None and self._daily is None

    def holds(self, at_us: int) -> bool:
        """Say whether these prices hold at a moment."""
        if self._from_us is not None and at_us < self._from_us:
            return False
        if self._daily is None:
            return True
        start, end = self._daily
        second = at_us // 1_000_000 % _DAY_S
        return start <= second < end if start <= end else second >= start or second < end


class Schedule:
    """All that is known of one model's price.

    Args:
        tariffs: Later ones are stronger.
        fallback: Holds when none of them does.

    Attributes:
        known: Some price is known.
        flat: The one rate there is, when it holds for every call of the standard tier.
    """

    __slots__ = ("_fallback", "_tariffs", "flat", "known")

    def __init__(self, tariffs: tuple[Tariff, ...], fallback: Tariff | None = None) -> None:
        # What stands before a tariff that always holds is never reached.
        reached: list[Tariff] = []
        for tariff in reversed(tariffs):
            reached.append(tariff)
            if tariff.constant:
                fallback = None
                break
        self._tariffs = tuple(reached)
        self._fallback = fallback
        self.known = bool(tariffs) or fallback is not None
        first = self._tariffs[0] if self._tariffs else fallback
        simple = first is not None and len(first.bands) == 1 and (first is fallback or first.constant)
        self.flat = first.bands[0][1] if first is not None and simple else None

    def rate(self, input_tokens: int, at_us: int, tier: str = "") -> Rate | None:
        """Find the rate for a call of this size at this moment, or ``None`` when none holds.

        Args:
            input_tokens: All that went in: it decides the rate of the whole call.
            at_us: When, in microseconds since 1970.
            tier: In which service tier; empty for the standard one.
        """
        for tariff in self._tariffs:
            if tariff.holds(at_us):
                return _band(tariff, input_tokens, tier)
        return None if self._fallback is None else _band(self._fallback, input_tokens, tier)


def _band(tariff: Tariff, input_tokens: int, tier: str) -> Rate | None:
    bands = tariff.tiers.get(tier) if tier else tariff.bands
    if bands is None:
        return None
    chosen = bands[0][1]
    for above, rate in bands[1:]:
        if input_tokens <= above:
            break
        chosen = rate
    return chosen
