"""A row of a price list, as people write it: US dollars for a million tokens."""

from __future__ import annotations

from datetime import date

import msgspec


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one model costs at one provider, from one day on.

    Attributes:
        provider: The provider's name in the configuration.
        model: The name the provider knows; a glob covers a family.
        per_call_usd: Dollars for each call, on top of its tokens.
        valid_from: First day (UTC) of this price; ``None`` for always.
    """

    provider: str
    model: str
    input_usd_mtok: float | None = None
    output_usd_mtok: float | None = None
    cached_input_usd_mtok: float | None = None
    cache_write_usd_mtok: float | None = None
    cache_write_1h_usd_mtok: float | None = None
    audio_input_usd_mtok: float | None = None
    audio_output_usd_mtok: float | None = None
    image_input_usd_mtok: float | None = None
    per_call_usd: float = 0.0
    valid_from: date | None = None
