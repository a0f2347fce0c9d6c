"""The dialect ``gemini``: Google's generateContent, whole and streamed, and the methods beside it."""

from __future__ import annotations

from gateway.wire.gemini.dialect import ARRAY, DIALECT
from gateway.wire.gemini.models import MODELS, listed_models, listing_of
from gateway.wire.gemini.paths import is_below, take_key
from gateway.wire.gemini.routes import dialect_of
from gateway.wire.gemini.unstreamed import COUNT, EMBED

__all__ = [
    "ARRAY", "COUNT", "DIALECT", "EMBED", "MODELS", "dialect_of", "is_below", "listed_models", "listing_of", "take_key",
]  # fmt: skip
