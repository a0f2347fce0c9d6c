"""Models as OpenAI lists them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

# Nobody knows when an alias came to be. A date that never changes keeps answers comparable.
CREATED_S = 1_700_000_000


def models_body(ids: list[str]) -> bytes:
    """Encode a list of models."""
    return orjson.dumps({"object": "list", "data": _models(ids)})


def model_body(model: str) -> bytes:
    """Encode one model."""
    return orjson.dumps(_models((model,))[0])


def _models(ids: Iterable[str]) -> list[dict[str, Any]]:
    return [{"id": name, "object": "model", "created": CREATED_S, "owned_by": "weighbridge"} for name in ids]
