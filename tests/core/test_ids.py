from __future__ import annotations

import os
import uuid

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ids import IdSource, uuid7

TIMES = st.integers(0, 2**48 - 1)
ENTROPY = st.binary(min_size=10, max_size=10)


def test_an_id_is_the_text_form_of_rfc_9562():
    # The RFC's own example (A.6): 2022-02-22 14:22:22.00 UTC-5.
    entropy = bytes([0x0C, 0xC3, 0x18, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F])
    assert uuid7(0x017F22E279B0, entropy) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(TIMES, ENTROPY)
def test_time_version_variant_and_randomness_are_where_the_rfc_puts_them(unix_ms: int, entropy: bytes):
    text = uuid7(unix_ms, entropy)
    made = uuid.UUID(text)
    assert str(made) == text
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == unix_ms
    # 74 bits are random: 12 of rand_a, 62 of rand_b.
    assert (made.int >> 64) & 0xFFF == int.from_bytes(entropy[:2]) & 0xFFF
    assert made.int & (2**62 - 1) == int.from_bytes(entropy[2:]) & (2**62 - 1)


@given(TIMES, TIMES, ENTROPY, ENTROPY)
def test_ids_sort_by_time(one: int, other: int, first: bytes, second: bytes):
    if one != other:
        assert (uuid7(one, first) < uuid7(other, second)) == (one < other)


def test_a_time_beyond_48_bits_keeps_the_form():
    assert len(uuid7(2**48 + 5, bytes(10))) == 36


def test_a_source_draws_randomness_rarely_and_uses_all_of_it_once():
    asked: list[int] = []

    def numbered(size: int) -> bytes:
        asked.append(size)
        start = (len(asked) - 1) * 256
        return b"".join((start + number).to_bytes(10) for number in range(size // 10))

    source = IdSource(numbered)
    made = [uuid.UUID(source(1_700_000_000_000)) for _ in range(600)]
    assert asked == [2560] * 3
    used = [each.int & (2**62 - 1) for each in made]
    assert sorted(used[:512]) == list(range(512))
    assert len(set(used)) == 600
    assert {(each.version, each.variant, each.int >> 80) for each in made} == {(7, uuid.RFC_4122, 1_700_000_000_000)}


@given(TIMES, ENTROPY)
def test_a_source_puts_its_randomness_where_the_format_puts_it(unix_ms: int, entropy: bytes):
    source = IdSource(lambda size: entropy * (size // len(entropy)))
    assert source(unix_ms) == source(unix_ms) == uuid7(unix_ms, entropy)


def test_ids_are_unique_and_follow_the_clock():
    source = IdSource(os.urandom)
    made = [source(unix_ms) for unix_ms in range(1000, 3000)]
    assert len(set(made)) == 2000
    assert made == sorted(made)
    again = [source(1000) for _ in range(1000)]
    assert len(set(again)) == 1000
    assert max(again) < made[1], "a clock that steps back is followed"
