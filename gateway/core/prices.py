"""A row of a price list, as people write it: US dollars for a million tokens."""

from __future__ import annotations

from datetime import date

import msgspec


class TokenPrices(msgspec.Struct, frozen=True, kw_only=True):
    """What a million tokens cost; ``None`` where a price is not given."""

    input_usd_mtok: float | None = None
    output_usd_mtok: float | None = None
    cached_input_usd_mtok: float | None = None
    cache_write_usd_mtok: float | None = None
    cache_write_1h_usd_mtok: float | None = None
    audio_input_usd_mtok: float | None = None
    audio_output_usd_mtok: float | None = None
    image_input_usd_mtok: float | None = None
    image_output_usd_mtok: float | None = None


class ContextTier(TokenPrices, frozen=True, kw_only=True):
    """What tokens cost in a call with more input than so many; what it does not name costs what it costs below."""

    above: int


class ServiceTier(TokenPrices, frozen=True, kw_only=True):
    """What tokens cost in calls that were served in one tier, ``batch`` or ``flex``."""

    name: str
    tiers: tuple[ContextTier, ...] = ()


class PriceRow(TokenPrices, frozen=True, kw_only=True):
    """What one model costs at one provider, from one day on.

    Attributes:
        provider: The provider's name in the configuration.
        model: The name the provider knows; a glob covers a family.
        per_call_usd: Dollars for each call, on top of its tokens.
        tool_call_usd: Dollars for each use of the provider's own tools, by tool; ``*`` for any other.
        tiers: Other prices for calls with long input.
        service_tiers: Other prices for calls that were not served in the standard tier.
        valid_from: First day (UTC) of this price; ``None`` for always.
    """

    provider: str
    model: str
    per_call_usd: float = 0.0
    tool_call_usd: tuple[tuple[str, float], ...] = ()
    tiers: tuple[ContextTier, ...] = ()
    service_tiers: tuple[ServiceTier, ...] = ()
    valid_from: date | None = None
