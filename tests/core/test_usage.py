from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.usage import Price, Usage, cost_nanousd

BUCKETS = [name for name in Usage.__struct_fields__ if name.endswith("_tokens")]
COUNTS = st.integers(0, 1_000_000)
USAGES = st.builds(Usage, **dict.fromkeys(BUCKETS, COUNTS))
EACH = st.integers(0, 200_000).map(lambda number: number / 4)
PRICED = [
    "input", "output", "cache_read", "cache_write", "cache_write_1h", "audio_input", "audio_output", "image_input",
]  # fmt: skip
FULL: dict[str, Any] = {f"{name}_nanousd": EACH for name in PRICED}
FULL_PRICES = st.builds(Price, **FULL)


def used(bucket: str, tokens: int) -> Usage:
    return msgspec.structs.replace(Usage(), **{bucket: tokens})


# Who pays for a bucket, in the order in which prices are looked for.
PAYS = {
    "input_fresh_tokens": ("input",),
    "cache_read_tokens": ("cache_read", "input"),
    "cache_write_tokens": ("cache_write", "input"),
    "cache_write_1h_tokens": ("cache_write_1h",),
    "image_input_tokens": ("image_input", "input"),
    "audio_input_tokens": ("audio_input",),
    "output_text_tokens": ("output",),
    "reasoning_tokens": ("output",),
    "audio_output_tokens": ("audio_output",),
}


@given(USAGES)
def test_every_token_is_in_one_total_only(usage: Usage):
    assert usage.input_tokens + usage.output_tokens == sum(getattr(usage, name) for name in BUCKETS)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_counts_on_its_own_side(bucket: str):
    usage = used(bucket, 7)
    incoming = bucket.startswith("cache_") or "input" in bucket
    assert (usage.input_tokens, usage.output_tokens) == ((7, 0) if incoming else (0, 7))


@given(USAGES)
def test_without_a_price_list_the_cost_is_unknown(usage: Usage):
    assert cost_nanousd(usage, None) is None


@given(USAGES, FULL_PRICES)
def test_the_cost_is_the_sum_over_buckets(usage: Usage, price: Price):
    expected = sum(getattr(usage, bucket) * getattr(price, f"{PAYS[bucket][0]}_nanousd") for bucket in BUCKETS)
    assert cost_nanousd(usage, price) == round(expected)


@given(USAGES, st.builds(Price, **{name: st.none() | each for name, each in FULL.items()}))
def test_the_cost_is_known_exactly_when_every_bucket_in_use_has_a_price(usage: Usage, price: Price):
    known = all(
        any(getattr(price, f"{name}_nanousd") is not None for name in PAYS[bucket])
        for bucket in BUCKETS
        if getattr(usage, bucket)
    )
    cost = cost_nanousd(usage, price)
    assert (cost is not None) == known
    assert cost is None or (type(cost) is int and cost >= 0)


@given(USAGES, FULL_PRICES, st.sampled_from(BUCKETS))
def test_more_tokens_never_cost_less(usage: Usage, price: Price, bucket: str):
    more = msgspec.structs.replace(usage, **{bucket: getattr(usage, bucket) + 1000})
    cost, higher = cost_nanousd(usage, price), cost_nanousd(more, price)
    assert cost is not None
    assert higher is not None
    assert higher >= cost


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_without_a_price_of_its_own_takes_its_parent_s_or_none(bucket: str):
    plain = Price(input_nanousd=3.0, output_nanousd=5.0)
    expected = {"input": 300, "output": 500}.get(PAYS[bucket][-1])
    assert cost_nanousd(used(bucket, 100), plain) == expected


def test_a_free_bucket_is_free_and_not_its_parent_s_price():
    price = Price(input_nanousd=3.0, cache_read_nanousd=0.0)
    assert cost_nanousd(Usage(cache_read_tokens=10), price) == 0


def test_a_call_may_cost_something_whatever_it_used():
    assert cost_nanousd(Usage(), Price(per_call_nanousd=10_000_000)) == 10_000_000
    assert cost_nanousd(Usage(input_fresh_tokens=1), Price(per_call_nanousd=10)) is None


@pytest.mark.parametrize(("tokens", "cost"), [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4)])
def test_halves_are_rounded_to_even(tokens: int, cost: int):
    assert cost_nanousd(Usage(input_fresh_tokens=tokens), Price(input_nanousd=0.5)) == cost
