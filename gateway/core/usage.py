"""Tokens and money. Token buckets never overlap, so their sum is the total; money is an integer of nano-dollars."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

UsageSource = Literal["reported", "estimated", "missing"]


# Names that providers give to what their price lists call the standard.
_STANDARD = frozenset(("", "default", "standard", "standard_only", "auto", "on_demand", "unspecified"))
_MIXED = "mixed"


class Apart(msgspec.Struct, frozen=True):
    """What few calls have and what is priced by itself.

    Attributes:
        image_output_tokens: Of the output: images.
        tool_calls: How often the provider's own tools were used, by tool; only those it bills by the call.
        service_tier: In which tier the provider says it served the call, if that is not the standard one.
    """

    image_output_tokens: int = 0
    tool_calls: tuple[tuple[str, int], ...] = ()
    service_tier: str = ""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one call, in disjoint buckets.

    Providers differ: OpenAI's ``prompt_tokens`` include cached ones, Anthropic's exclude them. Dialects convert to this
    form once, so that nothing is ever counted or priced twice.
    """

    input_fresh_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_text_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    # Written to a cache that keeps them for an hour, which costs more than the usual five minutes.
    cache_write_1h_tokens: int = 0
    source: UsageSource = "reported"
    # Of nearly every call nothing: one look tells.
    apart: Apart | None = None

    @property
    def input_tokens(self) -> int:
        """All tokens that went in, cached ones included."""
        return (
            self.input_fresh_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.cache_write_1h_tokens
            + self.audio_input_tokens
            + self.image_input_tokens
        )

    @property
    def written_tokens(self) -> int:
        """All tokens that were written to a cache, however long it keeps them."""
        return self.cache_write_tokens + self.cache_write_1h_tokens

    @property
    def output_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        tokens = self.output_text_tokens + self.reasoning_tokens + self.audio_output_tokens
        return tokens if self.apart is None else tokens + self.apart.image_output_tokens


# Counts that can be added up as they are.
COUNTS = tuple(name for name in Usage.__struct_fields__ if name.endswith("_tokens"))


def set_apart(
    usage: Usage | None, service_tier: Any = "", tool_calls: tuple[tuple[str, int], ...] = ()
) -> Usage | None:
    """Add what a provider tells beside its token counts; the standard tier and no calls are nothing to tell.

    Args:
        usage: The tokens.
        service_tier: What stood there; anything but text counts as absent.
        tool_calls: How often tools were used.
    """
    tier = service_tier if isinstance(service_tier, str) and service_tier.lower() not in _STANDARD else ""
    if usage is None or not (tier or tool_calls):
        return usage
    known = usage.apart or Apart()
    return msgspec.structs.replace(
        usage, apart=Apart(known.image_output_tokens, known.tool_calls + tool_calls, tier.lower() or known.service_tier)
    )


def total(one: Usage | None, other: Usage | None) -> Usage | None:
    """Add up what two parts of a call used; one that nobody knows adds nothing."""
    if one is None or other is None:
        return one or other
    sums = {name: getattr(one, name) + getattr(other, name) for name in COUNTS}
    source: UsageSource = "reported" if one.source == other.source == "reported" else "estimated"
    return Usage(**sums, source=source, apart=_both(one.apart, other.apart))


def _both(one: Apart | None, other: Apart | None) -> Apart | None:
    if one is None and other is None:
        return None
    one, other = one or Apart(), other or Apart()
    # Of a sum over tiers nobody can say what each part of it costs.
    same = one.service_tier == other.service_tier
    return Apart(
        one.image_output_tokens + other.image_output_tokens,
        one.tool_calls + other.tool_calls,
        one.service_tier if same else _MIXED,
    )


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs, in nano-dollars a token (USD a million tokens × 1000). ``None``: not known."""

    input_nanousd: float | None = None
    output_nanousd: float | None = None
    cache_read_nanousd: float | None = None
    cache_write_nanousd: float | None = None
    cache_write_1h_nanousd: float | None = None
    audio_input_nanousd: float | None = None
    audio_output_nanousd: float | None = None
    image_input_nanousd: float | None = None
    per_call_nanousd: float = 0.0


def cost_nanousd(usage: Usage, price: Price | None) -> int | None:
    """Price a call.

    Args:
        usage: What was used.
        price: What a token costs; ``None`` when nobody knows.

    Returns:
        Nano-dollars, rounded half to even, or ``None`` when any bucket in use has no price: unknown is never zero.
        A bucket that shares its parent's price falls back to it (cache read, cache write and image to input;
        reasoning to output); audio does not, since it never costs what text costs, nor what is written to a cache for
        an hour.
    """
    if price is None or usage.apart is not None:
        # These prices say nothing of what is priced apart.
        return None
    total = price.per_call_nanousd
    plain_in, plain_out = price.input_nanousd, price.output_nanousd
    for tokens, each in (
        (usage.input_fresh_tokens, plain_in),
        (usage.output_text_tokens, plain_out),
        (usage.reasoning_tokens, plain_out),
        (usage.cache_read_tokens, plain_in if price.cache_read_nanousd is None else price.cache_read_nanousd),
        (usage.cache_write_tokens, plain_in if price.cache_write_nanousd is None else price.cache_write_nanousd),
        (usage.cache_write_1h_tokens, price.cache_write_1h_nanousd),
        (usage.audio_input_tokens, price.audio_input_nanousd),
        (usage.audio_output_tokens, price.audio_output_nanousd),
        (usage.image_input_tokens, plain_in if price.image_input_nanousd is None else price.image_input_nanousd),
    ):
        if tokens:
            if each is None:
                return None
            total += tokens * each
    return round(total)
