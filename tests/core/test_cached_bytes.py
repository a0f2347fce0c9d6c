from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cached import FORMAT
from gateway.core.cached_bytes import group_of, pack, unpack, worth_of
from tests.support.answers import an_answer

ANSWER = an_answer("one")


@given(st.binary(max_size=300), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_an_answer_is_read_as_it_was_written(body: bytes, tags: dict[str, str]):
    answer = an_answer("one", body=body, tags=tags, cost_nanousd=None, question=body[::-1])
    assert unpack(pack(answer)) == answer


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_no_byte_may_be_another(place: int, change: int):
    data = bytearray(pack(ANSWER))
    data[place % len(data)] ^= change
    assert unpack(bytes(data)) is None


@pytest.mark.parametrize("length", [0, 1, 5, 6, 50, -1])
def test_half_an_answer_is_none(length: int):
    assert unpack(pack(ANSWER)[:length]) is None


def test_another_format_is_none_of_ours():
    assert unpack(bytes([FORMAT + 1]) + pack(ANSWER)[1:]) is None


@given(st.binary(max_size=100))
def test_what_is_something_else_is_none(data: bytes):
    assert unpack(data) is None


def test_money_and_time_are_worth_something_and_nothing_is_worth_nothing():
    worths = [
        worth_of(an_answer("one", cost_nanousd=cost, duration_ms=took))
        for cost, took in ((None, 0), (0, 10), (5_000, 10), (10**9, 10))
    ]
    assert worths == sorted(set(worths))
    assert worths[0] > 0


def test_a_group_is_of_one_partition_and_one_fingerprint():
    groups = {group_of(partition, fingerprint) for partition in ("a", "b", "") for fingerprint in (b"a", b"b", b"")}
    assert len(groups) == 9
    assert {len(group) for group in groups} == {16}
