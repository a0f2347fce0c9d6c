from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.rates import Rate, Schedule, Tariff
from gateway.core.usage import Apart, Usage, cost_nanousd

BUCKETS = {
    "input": "input_fresh_tokens",
    "output": "output_text_tokens",
    "reasoning": "reasoning_tokens",
    "cached_input": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "audio_input": "audio_input_tokens",
    "audio_output": "audio_output_tokens",
    "image_input": "image_input_tokens",
}
prices = st.decimals(0, 1000, places=5)
counts = st.integers(0, 10_000_000)
usages = st.builds(Usage, **dict.fromkeys(BUCKETS.values(), counts))


def to_nano(dollars: Decimal) -> int:
    return int((dollars * 1_000_000_000).to_integral_value(ROUND_HALF_EVEN))


@given(st.fixed_dictionaries(dict.fromkeys(BUCKETS, prices)), usages, prices)
def test_each_bucket_is_priced_exactly_once(dollars: dict[str, Decimal], usage: Usage, per_call: Decimal):
    expected = per_call + sum(
        (price * getattr(usage, BUCKETS[name]) / 1_000_000 for name, price in dollars.items()), Decimal(0)
    )
    assert Rate({**dollars, "per_call": per_call}).cost_nanousd(usage) == to_nano(expected)


@given(st.dictionaries(st.sampled_from(list(BUCKETS)), prices), usages)
def test_a_bucket_without_a_price_takes_its_parent_s_or_makes_the_cost_unknown(
    dollars: dict[str, Decimal], usage: Usage
):
    parents = {"cached_input": "input", "cache_write": "input", "image_input": "input", "reasoning": "output"}
    expected: Decimal | None = Decimal(0)
    for name, field in BUCKETS.items():
        tokens = getattr(usage, field)
        price = dollars.get(name, dollars.get(parents.get(name, "")))
        if tokens and price is None:
            expected = None
            break
        expected += tokens * (price or Decimal(0)) / 1_000_000
    cost = Rate(dollars).cost_nanousd(usage)
    assert cost == (None if expected is None else to_nano(expected))


@given(st.dictionaries(st.sampled_from([name for name in BUCKETS if name != "reasoning"]), prices), usages)
def test_the_float_price_agrees_to_the_last_nano_dollars(dollars: dict[str, Decimal], usage: Usage):
    rate = Rate(dollars)
    exact, floating = rate.cost_nanousd(usage), cost_nanousd(usage, rate.price())
    if exact is None or floating is None:
        assert exact is floating is None
    else:
        assert abs(exact - floating) <= 1 + exact * 1e-14


def test_halves_round_to_even():
    rate = Rate({"input": Decimal("0.0005")})
    assert [rate.cost_nanousd(Usage(input_fresh_tokens=tokens)) for tokens in (1, 2, 3, 5)] == [0, 1, 2, 2]


def rate(dollars: int) -> Rate:
    return Rate({"input": Decimal(dollars)})


DAY_US = 86_400_000_000
CHEAP, MIDDLE, DEAR = rate(1), rate(2), rate(3)


def test_the_last_tariff_that_holds_is_the_one():
    schedule = Schedule((Tariff(((-1, CHEAP),)), Tariff(((-1, DEAR),), from_us=10 * DAY_US)))
    assert schedule.rate(0, 10 * DAY_US - 1) is CHEAP
    assert schedule.rate(0, 10 * DAY_US) is DEAR
    assert schedule.flat is None


def test_without_a_tariff_that_holds_the_fallback_is_used_or_nothing_is_known():
    dated = Tariff(((-1, DEAR),), from_us=10 * DAY_US)
    assert Schedule((dated,)).rate(0, 0) is None
    assert Schedule((dated,), Tariff(((-1, CHEAP),))).rate(0, 0) is CHEAP
    assert Schedule(()).rate(0, 0) is None


@pytest.mark.parametrize(("second", "held"), [(0, True), (1799, True), (1800, False), (59_399, False), (59_400, True)])
def test_a_daily_tariff_may_span_midnight(second: int, *, held: bool):
    tariff = Tariff(((-1, CHEAP),), daily=(59_400, 1800))
    assert tariff.holds(20_000 * DAY_US + second * 1_000_000) is held
    assert Tariff(((-1, CHEAP),), daily=(1800, 59_400)).holds(second * 1_000_000) is not held


def test_a_step_begins_above_its_threshold():
    schedule = Schedule((Tariff(((-1, CHEAP), (100, MIDDLE), (200, DEAR))),))
    assert [schedule.rate(tokens, 0) for tokens in (0, 100, 101, 200, 201)] == [CHEAP, CHEAP, MIDDLE, MIDDLE, DEAR]


def test_one_rate_for_every_call_is_flat():
    assert Schedule((Tariff(((-1, CHEAP),)),)).flat is CHEAP
    assert Schedule((Tariff(((-1, CHEAP),), from_us=1), Tariff(((-1, DEAR),)))).flat is DEAR
    dated = Tariff(((-1, CHEAP),), from_us=DAY_US)
    assert Schedule((dated,), dated).flat is CHEAP
    assert Schedule((dated,), dated).rate(0, 0) is CHEAP


def test_what_a_cache_keeps_for_an_hour_has_a_price_of_its_own_or_none():
    usage = Usage(cache_write_tokens=2, cache_write_1h_tokens=3)
    dollars = {"input": Decimal(1), "output": Decimal(1), "cache_write": Decimal("1.25")}
    assert Rate(dollars).cost_nanousd(usage) is None
    assert Rate({**dollars, "cache_write_1h": Decimal(2)}).cost_nanousd(usage) == 2 * 1250 + 3 * 2000
    assert Rate({**dollars, "cache_write_1h": Decimal(2)}).price().cache_write_1h_nanousd == 2000


aparts = st.builds(
    Apart,
    image_output_tokens=counts,
    tool_calls=st.lists(st.tuples(st.sampled_from(["web_search", "file_search"]), st.integers(1, 99))).map(tuple),
)
tools = st.fixed_dictionaries({"web_search": prices, "*": prices})


@given(st.fixed_dictionaries(dict.fromkeys((*BUCKETS, "image_output"), prices)), tools, usages, aparts)
def test_what_is_apart_is_added_once(dollars: dict[str, Decimal], fees: dict[str, Decimal], usage: Usage, apart: Apart):
    expected = sum((dollars[name] * getattr(usage, BUCKETS[name]) / 1_000_000 for name in BUCKETS), Decimal(0))
    expected += dollars["image_output"] * apart.image_output_tokens / 1_000_000
    expected += sum((calls * fees.get(tool, fees["*"]) for tool, calls in apart.tool_calls), Decimal(0))
    cost = Rate(dollars, fees).cost_nanousd(msgspec.structs.replace(usage, apart=apart))
    assert type(cost) is int
    assert cost == to_nano(expected)


@given(st.fixed_dictionaries(dict.fromkeys(BUCKETS, prices)), usages, st.sampled_from(list(BUCKETS.values())), counts)
def test_more_of_anything_never_costs_less(dollars: dict[str, Decimal], usage: Usage, bucket: str, more: int):
    rate = Rate(dollars)
    dearer = msgspec.structs.replace(usage, **{bucket: getattr(usage, bucket) + more})
    assert (rate.cost_nanousd(dearer) or 0) >= (rate.cost_nanousd(usage) or 0)


def test_what_is_apart_and_has_no_price_makes_the_cost_unknown():
    rate = Rate({"input": Decimal(1), "output": Decimal(2)}, {"web_search": Decimal("0.01")})
    assert rate.cost_nanousd(Usage(apart=Apart(tool_calls=(("web_search", 3),)))) == 30_000_000
    assert rate.cost_nanousd(Usage(apart=Apart(tool_calls=(("file_search", 1),)))) is None
    assert rate.cost_nanousd(Usage(apart=Apart(image_output_tokens=1))) is None
