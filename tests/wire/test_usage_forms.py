"""Every form in which providers tell usage: buckets sum to the provider's own total, and nonsense does no harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.usage import Usage
from gateway.wire.anthropic_messages.usage import read_usage as anthropic
from gateway.wire.bedrock_converse.usage import read_usage as bedrock
from gateway.wire.gemini.usage import gemini_usage
from gateway.wire.openai_realtime.usage import realtime_usage
from gateway.wire.openai_usage import openai_usage

BUCKETS = tuple(name for name in Usage.__struct_fields__ if name.endswith("_tokens"))
Form = tuple[dict[str, Any], int, int]


def _openai(n: list[int], *, chat: bool = True) -> Form:
    fresh, read, written, audio, image, text, thought, said = n
    total_in, total_out = fresh + read + written + audio + image, text + thought + said
    inner = {"cached_tokens": read, "cache_write_tokens": written, "audio_tokens": audio, "image_tokens": image}
    outer = {"reasoning_tokens": thought, "audio_tokens": said}
    of = ("prompt", "completion") if chat else ("input", "output")
    raw = {
        f"{of[0]}_tokens": total_in,
        f"{of[1]}_tokens": total_out,
        "total_tokens": total_in + total_out,
        f"{of[0]}_tokens_details": inner,
        f"{of[1]}_tokens_details": outer,
    }
    return raw, total_in, total_out


def _responses(n: list[int]) -> Form:
    return _openai(n, chat=False)


def _deepseek(n: list[int]) -> Form:
    fresh, read, *_, text, thought, _ = n
    raw = {
        "prompt_tokens": fresh + read,
        "completion_tokens": text + thought,
        "total_tokens": fresh + read + text + thought,
        "prompt_cache_hit_tokens": read,
        "prompt_cache_miss_tokens": fresh,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    return raw, fresh + read, text + thought


def _plain(n: list[int]) -> Form:
    # Mistral, Groq (which adds times), vLLM and most others: two totals and their sum.
    raw = {"prompt_tokens": n[0], "completion_tokens": n[5], "total_tokens": n[0] + n[5], "total_time": 0.25}
    return raw, n[0], n[5]


def _anthropic(n: list[int]) -> Form:
    fresh, read, written, hour, _, text, thought, _ = n
    raw = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": hour},
        "output_tokens": text + thought,
        "output_tokens_details": {"thinking_tokens": thought},
        "server_tool_use": {"web_search_requests": 3},
    }
    return raw, fresh + read + written + hour, text + thought


def _gemini(n: list[int]) -> Form:
    fresh, read, tools, audio, image, text, thought, said = n
    prompt = fresh + read + audio + image
    media = [{"modality": "AUDIO", "tokenCount": audio}, {"modality": "IMAGE", "tokenCount": image}]
    raw = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": read,
        "toolUsePromptTokenCount": tools,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": fresh + read}, *media],
        "candidatesTokenCount": text + said,
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": said}],
        "thoughtsTokenCount": thought,
        "totalTokenCount": prompt + tools + text + said + thought,
    }
    return raw, prompt + tools, text + said + thought


def _bedrock(n: list[int]) -> Form:
    fresh, read, written, *_, text, _, _ = n
    raw = {
        "inputTokens": fresh,
        "outputTokens": text,
        "totalTokens": fresh + read + written + text,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": written,
    }
    return raw, fresh + read + written, text


def _realtime(n: list[int]) -> Form:
    fresh, read, _, audio, image, text, _, said = n
    raw = {
        "input_tokens": fresh + read + audio + image,
        "output_tokens": text + said,
        "total_tokens": fresh + read + audio + image + text + said,
        "input_token_details": {
            "text_tokens": fresh + read,
            "audio_tokens": audio,
            "image_tokens": image,
            "cached_tokens": read,
            "cached_tokens_details": {"text_tokens": read},
        },
        "output_token_details": {"text_tokens": text, "audio_tokens": said},
    }
    return raw, fresh + read + audio + image, text + said


Reader = Callable[[Any], Usage | None]
FORMS: dict[str, tuple[Callable[[list[int]], Form], Reader]] = {
    "openai chat": (_openai, openai_usage),
    "openai responses": (_responses, openai_usage),
    "openai realtime": (_realtime, realtime_usage),
    "deepseek": (_deepseek, openai_usage),
    "mistral, groq, triton's openai front": (_plain, openai_usage),
    "anthropic": (_anthropic, anthropic),
    "gemini": (_gemini, gemini_usage),
    "bedrock converse": (_bedrock, bedrock),
}
COUNTS = st.lists(st.one_of(st.just(0), st.integers(0, 2_000_000)), min_size=8, max_size=8)
NONSENSE = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=3), st.integers(-(10**30), 10**30), st.just([]), st.just({})
)


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=40)
@given(counts=COUNTS)
def test_buckets_sum_to_the_providers_own_totals(name: str, counts: list[int]) -> None:
    write, read = FORMS[name]
    raw, total_in, total_out = write(counts)
    usage = read(raw)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (total_in, total_out)
    assert sum(getattr(usage, bucket) for bucket in BUCKETS) == total_in + total_out
    assert all(getattr(usage, bucket) >= 0 for bucket in BUCKETS)


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=60)
@given(data=st.data(), counts=COUNTS)
def test_nonsense_harms_nobody(name: str, data: st.DataObject, counts: list[int]) -> None:
    """Any leaf may be anything: a cached part larger than the whole, floats, texts, huge and negative numbers."""
    write, read = FORMS[name]
    raw = write(counts)[0]
    for key in data.draw(st.lists(st.sampled_from(sorted(raw)), max_size=4)):
        raw[key] = data.draw(NONSENSE)
    for inner in [value for value in raw.values() if isinstance(value, dict) and value]:
        key = data.draw(st.sampled_from(sorted(inner)))
        inner[key] = data.draw(NONSENSE)
    usage = read(raw)
    if usage is not None:
        values = [getattr(usage, bucket) for bucket in BUCKETS]
        assert all(type(value) is int and value >= 0 for value in values)
        assert usage.input_tokens + usage.output_tokens == sum(values)


@pytest.mark.parametrize("name", FORMS)
@given(raw=NONSENSE)
def test_what_is_no_usage_is_marked_as_unknown(name: str, raw: Any) -> None:
    assert FORMS[name][1](raw) is None
