from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.usage import Usage
from gateway.wire.openai_realtime.usage import realtime_usage
from tests.support.realtime_script import USAGE

COUNT = st.one_of(st.integers(-5, 500), st.none(), st.text(max_size=2))
DETAILS = st.dictionaries(
    st.sampled_from(["cached_tokens", "audio_tokens", "text_tokens", "image_tokens", "cached_tokens_details"]),
    st.one_of(COUNT, st.dictionaries(st.sampled_from(["audio_tokens", "image_tokens"]), COUNT)),
)


def test_what_was_cached_is_counted_once() -> None:
    assert realtime_usage(USAGE) == Usage(
        input_fresh_tokens=90,
        audio_input_tokens=60,
        cache_read_tokens=50,
        output_text_tokens=40,
        audio_output_tokens=60,
    )


@pytest.mark.parametrize("raw", [None, {}, [], "x", {"type": "duration", "seconds": 3}, {"input_tokens": "9"}])
def test_what_counts_no_tokens_is_no_usage(raw: Any) -> None:
    assert realtime_usage(raw) is None


def test_a_transcript_says_what_was_heard_and_written() -> None:
    raw = {
        "type": "tokens",
        "total_tokens": 30,
        "input_tokens": 20,
        "output_tokens": 10,
        "input_token_details": {"text_tokens": 2, "audio_tokens": 18},
    }
    assert realtime_usage(raw) == Usage(input_fresh_tokens=2, audio_input_tokens=18, output_text_tokens=10)


@given(st.integers(0, 900), st.integers(0, 900), DETAILS, DETAILS)
def test_buckets_add_up_to_what_was_reported(given_in: int, out: int, details: Any, of_output: Any) -> None:
    raw = {
        "input_tokens": given_in,
        "output_tokens": out,
        "input_token_details": details,
        "output_token_details": of_output,
    }
    usage = realtime_usage(raw)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (given_in, out)
    assert min(getattr(usage, name) for name in Usage.__struct_fields__ if name.endswith("_tokens")) >= 0
