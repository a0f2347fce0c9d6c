"""Google's token counts as disjoint buckets.

Cached tokens are inside ``promptTokenCount``; thoughts are not inside ``candidatesTokenCount``, and what tools put into
the prompt is not inside ``promptTokenCount``. What one kind of media took is told beside the totals.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from gateway.core.usage import Apart, Usage, set_apart
from gateway.wire.gemini.spelling import listed, read
from gateway.wire.shapes import is_integer, is_object, is_text

# From this generation on.
_GENERATION, _BILLED_BY_SEARCH = re.compile(r"(?:models/)?gemini-(\d{1,3})"), 3
_TOTALS = ("promptTokenCount", "candidatesTokenCount", "responseTokenCount", "totalTokenCount")


def gemini_usage(raw: Any) -> Usage | None:
    """Convert a ``usageMetadata`` object.

    Args:
        raw: What stood there; anything.

    Returns:
        ``None`` when it is no object or has no total; details of a wrong type count as absent.
    """
    if not is_object(raw) or all(_count(raw, name) is None for name in _TOTALS):
        return None
    left = _count(raw, "promptTokenCount") or 0
    tools = _count(raw, "toolUsePromptTokenCount") or 0
    audio = _modality(raw, "promptTokensDetails", "AUDIO") - _modality(raw, "cacheTokensDetails", "AUDIO")
    image = _modality(raw, "promptTokensDetails", "IMAGE") - _modality(raw, "cacheTokensDetails", "IMAGE")
    left -= (cached := min(_count(raw, "cachedContentTokenCount") or 0, left))
    left -= (audio := min(max(audio, 0), left))
    left -= (image := min(max(image, 0), left))
    written = _count(raw, "candidatesTokenCount")
    # Live answers and some older ones use the other name.
    written = (_count(raw, "responseTokenCount") or 0) if written is None else written
    spoken = min(_modality(raw, "candidatesTokensDetails", "AUDIO"), written)
    drawn = min(_modality(raw, "candidatesTokensDetails", "IMAGE"), written - spoken)
    counted = Usage(
        input_fresh_tokens=left + tools,
        cache_read_tokens=cached,
        audio_input_tokens=audio,
        image_input_tokens=image,
        output_text_tokens=written - spoken - drawn,
        reasoning_tokens=_count(raw, "thoughtsTokenCount") or 0,
        audio_output_tokens=spoken,
        apart=Apart(image_output_tokens=drawn) if drawn else None,
    )
    return set_apart(counted, _tier(raw))


def told_usage(document: dict[str, Any], before: Usage | None = None) -> Usage | None:
    """What an answer used, the searches that it was grounded on among it.

    Args:
        document: An answer, or an event of one.
        before: What earlier events told.
    """
    raw = document.get("usageMetadata")
    usage = (None if raw is None else gemini_usage(raw)) or before
    if usage is None:
        return None
    known = () if before is None or before.apart is None else before.apart.tool_calls
    calls = _grounded(document) or known
    if not calls:
        return usage
    apart = usage.apart or Apart()
    return replace(usage, apart=Apart(apart.image_output_tokens, calls, apart.service_tier))


def _grounded(document: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    """What is billed by the piece: each search of newer models, each answer that searched of older ones; and maps.

    https://ai.google.dev/gemini-api/docs/google-search#pricing
    """
    searches = maps = 0
    for candidate in listed(document.get("candidates")):
        grounding = read(candidate, "groundingMetadata")
        if grounding is None:
            continue
        searches += len({each for each in listed(read(grounding, "webSearchQueries")) if is_text(each) and each})
        maps += any(is_object(each) and "maps" in each for each in listed(read(grounding, "groundingChunks")))
    if searches:
        model = read(document, "modelVersion")
        each_search = is_text(model) and (found := _GENERATION.match(model)) and int(found[1]) >= _BILLED_BY_SEARCH
        searches = searches if each_search else 1
    return (*((("web_search", searches),) if searches else ()), *((("google_maps", 1),) if maps else ()))


def _tier(raw: dict[str, Any]) -> str:
    """Where a call was served: Vertex says ``ON_DEMAND_FLEX``, others ``flex``."""
    named = read(raw, "serviceTier") or read(raw, "trafficType")
    return named.lower().removeprefix("on_demand_") if is_text(named) else ""


def as_metadata(usage: Usage) -> dict[str, Any]:
    """Write buckets as Google does."""
    prompt, written = usage.input_tokens, usage.output_tokens - usage.reasoning_tokens
    shown: dict[str, Any] = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": written,
        "totalTokenCount": prompt + written + usage.reasoning_tokens,
    }
    if usage.cache_read_tokens:
        shown["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.reasoning_tokens:
        shown["thoughtsTokenCount"] = usage.reasoning_tokens
    media = {"AUDIO": usage.audio_input_tokens, "IMAGE": usage.image_input_tokens}
    if any(media.values()):
        text = prompt - sum(media.values())
        shown["promptTokensDetails"] = _details({"TEXT": text, **media})
    if usage.audio_output_tokens:
        shown["candidatesTokensDetails"] = _details(
            {"TEXT": usage.output_text_tokens, "AUDIO": usage.audio_output_tokens}
        )
    return shown


def _details(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]


def _count(holder: dict[str, Any], name: str) -> int | None:
    value = read(holder, name)
    return value if is_integer(value) and value >= 0 else None


def _modality(raw: dict[str, Any], name: str, modality: str) -> int:
    return sum(
        _count(item, "tokenCount") or 0
        for item in listed(read(raw, name))
        if is_object(item) and item.get("modality") == modality
    )
