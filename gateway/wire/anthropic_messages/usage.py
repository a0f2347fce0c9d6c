"""Anthropic's token counts as disjoint buckets, and back.

``input_tokens`` are what neither came from the cache nor was written to it; ``output_tokens`` include what was thought.
"""

from __future__ import annotations

from typing import Any

from gateway.core.usage import Usage, set_apart
from gateway.wire.shapes import is_integer, is_object


def read_usage(raw: Any) -> Usage | None:
    """Convert a ``usage`` object; ``None`` when it is none or has neither total, details of a wrong type are absent."""
    if not is_object(raw):
        return None
    fresh, out = _count(raw, "input_tokens"), _count(raw, "output_tokens")
    if fresh is None and out is None:
        return None
    text = out or 0
    details = raw.get("output_tokens_details")
    thought = min(_count(details, "thinking_tokens") or 0, text) if is_object(details) else 0
    written = _count(raw, "cache_creation_input_tokens") or 0
    kept = raw.get("cache_creation")
    for_an_hour = min(_count(kept, "ephemeral_1h_input_tokens") or 0, written) if is_object(kept) else 0
    served = raw.get("server_tool_use")
    searches = (_count(served, "web_search_requests") or 0) if is_object(served) else 0
    counted = Usage(
        input_fresh_tokens=fresh or 0,
        cache_read_tokens=_count(raw, "cache_read_input_tokens") or 0,
        cache_write_tokens=written - for_an_hour,
        cache_write_1h_tokens=for_an_hour,
        output_text_tokens=text - thought,
        reasoning_tokens=thought,
    )
    return set_apart(counted, raw.get("service_tier"), (("web_search", searches),) if searches else ())


def merged(known: dict[str, Any], more: Any) -> dict[str, Any]:
    """Add the cumulative counts that end a stream to those that began it; what is not said again stays."""
    if not is_object(more):
        return known
    return {**known, **{name: value for name, value in more.items() if value is not None}}


def write_usage(usage: Usage | None) -> dict[str, Any]:
    """Write buckets as a ``usage`` object; those this dialect has no name for are input and output like any other."""
    usage = usage or Usage()
    written: dict[str, Any] = {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.written_tokens,
        "cache_creation_input_tokens": usage.written_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.cache_write_1h_tokens:
        written["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        }
    if usage.reasoning_tokens:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return written


def _count(holder: dict[str, Any], name: str) -> int | None:
    value = holder.get(name)
    return value if is_integer(value) and value >= 0 else None
