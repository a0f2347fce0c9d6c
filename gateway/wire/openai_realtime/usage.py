"""What a session's events say was used: each answer apart, and what was written down of somebody's speech.

``input_token_details`` has text, sound and images side by side, and of each how much of it was cached. Cached tokens
are one bucket here, whatever they were.
"""

from __future__ import annotations

from typing import Any

from gateway.core.usage import Usage
from gateway.wire.openai_usage import openai_usage
from gateway.wire.shapes import is_integer, is_object


def realtime_usage(raw: Any) -> Usage | None:
    """Convert the ``usage`` of an answer or of a transcript; ``None`` when it counts no tokens."""
    if not is_object(raw) or raw.get("type") == "duration":
        return None
    inputs, outputs = raw.get("input_token_details"), raw.get("output_token_details")
    details = _disjoint(inputs) if is_object(inputs) else {}
    return openai_usage({**raw, "input_tokens_details": details, "output_tokens_details": outputs})


def _disjoint(details: dict[str, Any]) -> dict[str, Any]:
    """Take what was cached out of sound and images: it is counted as cached."""
    cached = details.get("cached_tokens_details")
    of = cached if is_object(cached) else {}
    sound = max(0, _count(details, "audio_tokens") - _count(of, "audio_tokens"))
    images = max(0, _count(details, "image_tokens") - _count(of, "image_tokens"))
    return {"cached_tokens": _count(details, "cached_tokens"), "audio_tokens": sound, "image_tokens": images}


def _count(holder: dict[str, Any], name: str) -> int:
    value = holder.get(name)
    return value if is_integer(value) and value >= 0 else 0
