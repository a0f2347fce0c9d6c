"""OpenAI's token counts as disjoint buckets.

``prompt_tokens`` include cached, audio and image tokens, ``completion_tokens`` include reasoning and audio. The buckets
are carved out of the totals and clamped to them, so their sum is what the provider reported, whatever the details say.
"""

from __future__ import annotations

from typing import Any

from gateway.core.usage import Apart, Usage
from gateway.wire.shapes import is_integer, is_object

_NONE: dict[str, Any] = {}


def openai_usage(raw: Any) -> Usage | None:
    """Convert a ``usage`` object, of chat, completions, embeddings or Responses.

    Args:
        raw: What stood under ``usage``; anything.

    Returns:
        ``None`` when it is no object or has neither total; details of a wrong type count as absent.
    """
    if not is_object(raw):
        return None
    total_in = _count(raw, "prompt_tokens", "input_tokens")
    total_out = _count(raw, "completion_tokens", "output_tokens")
    if total_in is None and total_out is None:
        return None
    of_input = _details(raw, "prompt_tokens_details", "input_tokens_details")
    of_output = _details(raw, "completion_tokens_details", "output_tokens_details")

    left = total_in or 0
    cache_read = cache_write = audio_in = image_in = reasoning = audio_out = image_out = 0
    if of_input:
        left -= (cache_write := min(_count(of_input, "cache_write_tokens") or 0, left))
        left -= (audio_in := min(_count(of_input, "audio_tokens") or 0, left))
        left -= (image_in := min(_count(of_input, "image_tokens") or 0, left))
    # DeepSeek has a spelling of its own, beside the totals.
    cached = _count(of_input, "cached_tokens") if "cached_tokens" in of_input else None
    if cached is None and "prompt_cache_hit_tokens" in raw:
        cached = _count(raw, "prompt_cache_hit_tokens")
    left -= (cache_read := min(cached or 0, left))

    text = total_out or 0
    if of_output:
        text -= (reasoning := min(_count(of_output, "reasoning_tokens") or 0, text))
        text -= (audio_out := min(_count(of_output, "audio_tokens") or 0, text))
        text -= (image_out := min(_count(of_output, "image_tokens") or 0, text))
    return Usage(
        input_fresh_tokens=left,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        audio_input_tokens=audio_in,
        image_input_tokens=image_in,
        output_text_tokens=text,
        reasoning_tokens=reasoning,
        audio_output_tokens=audio_out,
        apart=Apart(image_output_tokens=image_out) if image_out else None,
    )


def _count(holder: dict[str, Any], name: str, other: str = "") -> int | None:
    value = holder.get(name)
    if is_integer(value) and value >= 0:
        return value
    return _count(holder, other) if other else None


def _details(raw: dict[str, Any], name: str, other: str = "") -> dict[str, Any]:
    value = raw.get(name)
    if is_object(value):
        return value
    return _details(raw, other) if other else _NONE
