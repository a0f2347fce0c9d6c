from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.usage import Usage
from gateway.wire.bedrock_converse.usage import read_usage, write_usage

COUNTS = st.integers(0, 10**6)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_buckets_survive_and_their_sum_is_the_total(fresh: int, read: int, wrote: int, out: int, thought: int) -> None:
    written = write_usage(Usage(fresh, read, wrote, out, thought))
    assert read_usage(written) == Usage(fresh, read, wrote, out + thought)
    assert written["totalTokens"] == fresh + read + wrote + out + thought


@pytest.mark.parametrize("odd", [None, [], {}, {"inputTokens": -1}, {"outputTokens": True}, {"inputTokens": "3"}])
def test_what_is_no_usage(odd: Any) -> None:
    assert read_usage(odd) is None


def test_one_total_is_enough_and_none_is_nothing() -> None:
    assert read_usage({"outputTokens": 3}) == Usage(output_text_tokens=3)
    assert write_usage(None)["totalTokens"] == 0
