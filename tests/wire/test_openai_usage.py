from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.usage import Usage
from gateway.wire.openai_usage import openai_usage

COUNT = st.integers(0, 2000)
GARBAGE = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.floats(), st.integers(-5, -1), st.just([]), st.just({})
)
DETAIL = COUNT | GARBAGE


def details(*names: str) -> st.SearchStrategy[Any]:
    return GARBAGE | st.fixed_dictionaries({}, optional=dict.fromkeys(names, DETAIL))


USAGES = st.fixed_dictionaries(
    {"prompt_tokens": COUNT, "completion_tokens": COUNT},
    optional={
        "total_tokens": DETAIL,
        "prompt_tokens_details": details("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"),
        "completion_tokens_details": details("reasoning_tokens", "audio_tokens"),
        "prompt_cache_hit_tokens": DETAIL,
    },
)


@given(USAGES)
def test_buckets_are_disjoint_and_sum_to_the_totals(raw: dict[str, Any]) -> None:
    usage = openai_usage(raw)
    assert usage is not None
    assert usage.input_tokens == raw["prompt_tokens"]
    assert usage.output_tokens == raw["completion_tokens"]
    buckets = (getattr(usage, name) for name in Usage.__struct_fields__ if name.endswith("_tokens"))
    assert all(tokens >= 0 for tokens in buckets)


def test_every_bucket_is_read() -> None:
    assert openai_usage(
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {
                "cached_tokens": 60,
                "cache_write_tokens": 10,
                "audio_tokens": 7,
                "image_tokens": 3,
            },
            "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 5},
        }
    ) == Usage(
        input_fresh_tokens=20,
        cache_read_tokens=60,
        cache_write_tokens=10,
        audio_input_tokens=7,
        image_input_tokens=3,
        output_text_tokens=15,
        reasoning_tokens=30,
        audio_output_tokens=5,
    )


def test_responses_spelling_is_read() -> None:
    usage = openai_usage(
        {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 6,
            "output_tokens_details": {"reasoning_tokens": 5},
        }
    )
    assert usage == Usage(input_fresh_tokens=5, cache_read_tokens=4, output_text_tokens=1, reasoning_tokens=5)


def test_cache_hits_beside_the_totals_are_read() -> None:
    usage = openai_usage({"prompt_tokens": 10, "completion_tokens": 1, "prompt_cache_hit_tokens": 8})
    assert usage is not None
    assert (usage.cache_read_tokens, usage.input_fresh_tokens) == (8, 2)


def test_embeddings_have_no_output() -> None:
    assert openai_usage({"prompt_tokens": 8, "total_tokens": 8}) == Usage(input_fresh_tokens=8)


@pytest.mark.parametrize(
    "raw", [None, 3, "x", [], {}, {"prompt_tokens": True}, {"prompt_tokens": -1}, {"total_tokens": 4}]
)
def test_no_usable_total_is_no_usage(raw: Any) -> None:
    assert openai_usage(raw) is None


@given(
    st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens", "prompt_tokens_details"]), GARBAGE | COUNT)
)
def test_garbage_never_raises(raw: dict[str, Any]) -> None:
    openai_usage(raw)
