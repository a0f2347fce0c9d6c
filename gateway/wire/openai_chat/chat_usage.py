"""Disjoint token buckets written as OpenAI's totals and their details."""

from __future__ import annotations

from typing import Any

from gateway.core.usage import Usage


def write_usage(usage: Usage) -> dict[str, Any]:
    """Write a ``usage`` object; a detail that is nothing is left out, apart from the two that every client reads."""
    into = {
        "cached_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.written_tokens,
        "audio_tokens": usage.audio_input_tokens,
        "image_tokens": usage.image_input_tokens,
    }
    out = {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": usage.audio_output_tokens}
    asked, said = usage.input_tokens, usage.output_tokens
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "prompt_tokens_details": {name: n for name, n in into.items() if n or name == "cached_tokens"},
        "completion_tokens_details": {name: n for name, n in out.items() if n or name == "reasoning_tokens"},
    }
