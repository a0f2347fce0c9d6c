from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.usage import Usage
from gateway.wire.openai_chat.chat_usage import write_usage
from gateway.wire.openai_usage import openai_usage

COUNT = st.integers(0, 10**6)


@given(st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT))
def test_buckets_come_back_as_they_were(usage: Usage) -> None:
    written = write_usage(usage)
    assert openai_usage(written) == usage
    assert written["total_tokens"] == usage.input_tokens + usage.output_tokens


def test_details_that_are_nothing_are_left_out() -> None:
    written = write_usage(Usage(input_fresh_tokens=1))
    assert written["prompt_tokens_details"] == {"cached_tokens": 0}
    assert written["completion_tokens_details"] == {"reasoning_tokens": 0}
