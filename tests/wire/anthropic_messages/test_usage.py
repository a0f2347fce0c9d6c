from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.usage import Usage
from gateway.wire.anthropic_messages.usage import merged, read_usage, write_usage

RAW: dict[str, Any] = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 7,
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 15},
}
COUNT = st.integers(0, 10**6)


def test_buckets_do_not_overlap() -> None:
    usage = read_usage(RAW)
    assert usage == Usage(10, 7, 5, 25, 15)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (22, 40)
    assert write_usage(usage) == RAW


def test_what_is_kept_for_an_hour_is_a_bucket_of_its_own() -> None:
    raw = {**RAW, "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}}
    usage = read_usage(raw)
    assert usage == Usage(10, 7, 2, 25, 15, cache_write_1h_tokens=3)
    assert usage is not None
    assert (usage.input_tokens, usage.written_tokens) == (22, 5)
    assert write_usage(usage) == raw
    # Details never add up to more than the total, whatever they say.
    odd = read_usage({**RAW, "cache_creation": {"ephemeral_1h_input_tokens": 50}})
    assert odd == Usage(10, 7, 0, 25, 15, cache_write_1h_tokens=5)
    assert read_usage({**RAW, "cache_creation": None}) == read_usage(RAW)


def test_what_is_no_usage() -> None:
    for raw in (None, [], {}, {"input_tokens": "1"}, {"input_tokens": -1}):
        assert read_usage(raw) is None
    assert read_usage({"output_tokens": 3, "output_tokens_details": {"thinking_tokens": 9}}) == Usage(
        reasoning_tokens=3
    )


def test_the_counts_that_end_a_stream_keep_what_they_do_not_say() -> None:
    assert merged(RAW, {"output_tokens": 50, "input_tokens": None}) == {**RAW, "output_tokens": 50}
    assert merged(RAW, "odd") == RAW


@given(st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT))
def test_whatever_is_written_adds_up(usage: Usage) -> None:
    read = read_usage(write_usage(usage))
    assert read is not None
    assert (read.input_tokens, read.output_tokens) == (usage.input_tokens, usage.output_tokens)
    assert (read.cache_read_tokens, read.cache_write_tokens) == (usage.cache_read_tokens, usage.cache_write_tokens)
    assert read.reasoning_tokens == usage.reasoning_tokens


def test_no_usage_is_written_as_none_used() -> None:
    assert set(write_usage(None).values()) == {0}
