"""Bedrock's token counts as disjoint buckets, and back.

``inputTokens`` are what neither came from the cache nor was written to it; what was thought is in ``outputTokens``.
"""

from __future__ import annotations

from typing import Any

from gateway.core.usage import Usage, set_apart
from gateway.wire.shapes import is_integer, is_object

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ServiceTier.html
TIERS = frozenset(("priority", "default", "flex", "reserved"))


def read_usage(raw: Any, tier: Any = None) -> Usage | None:
    """Convert a ``usage`` object and the ``serviceTier`` beside it; ``None`` when it is none or has neither total."""
    if not is_object(raw):
        return None
    fresh, out = _count(raw, "inputTokens"), _count(raw, "outputTokens")
    if fresh is None and out is None:
        return None
    counted = Usage(
        input_fresh_tokens=fresh or 0,
        cache_read_tokens=_count(raw, "cacheReadInputTokens") or 0,
        cache_write_tokens=_count(raw, "cacheWriteInputTokens") or 0,
        output_text_tokens=out or 0,
    )
    return set_apart(counted, tier.get("type") if is_object(tier) else "")


def write_usage(usage: Usage | None) -> dict[str, Any]:
    """Write buckets as a ``usage`` object; those this dialect has no name for are input and output like any other."""
    usage = usage or Usage()
    written = {
        "inputTokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
    }
    if usage.cache_read_tokens or usage.cache_write_tokens:
        written["cacheReadInputTokens"] = usage.cache_read_tokens
        written["cacheWriteInputTokens"] = usage.cache_write_tokens
    return written


def _count(holder: dict[str, Any], name: str) -> int | None:
    value = holder.get(name)
    return value if is_integer(value) and value >= 0 else None


def write_tier(tier: str) -> dict[str, Any]:
    """Say which tier served an answer, where it is one that Bedrock has, too."""
    return {"serviceTier": {"type": tier}} if tier in TIERS else {}
