from __future__ import annotations

import pytest

from loadtests.fleet import Ask, Fleet, Maker, Outcome, quantile


def ask(at_s: float, prefix: str = "a", out: int = 101) -> Ask:
    return Ask(at_s=at_s, prefix=prefix, session=prefix, shared=1000, own=0, out=out)


def test_a_call_takes_reading_and_writing_and_costs_what_it_uses():
    made = Fleet([Maker(ttft_s=0.2, read_s=0.0001, tpot_s=0.01, price=(1.0, 4.0))], "random").serve([ask(0.0)])
    assert made.first_s == [pytest.approx(0.3)]
    assert made.whole_s == [pytest.approx(1.3)]
    assert made.dollars == pytest.approx((1000 * 1.0 + 101 * 4.0) / 1e6)
    assert (made.calls, made.hits) == ([1], 0)


def test_who_finds_no_slot_waits_for_one():
    made = Fleet([Maker(slots=1)], "random").serve([ask(0.0), ask(0.1)])
    assert made.whole_s == [pytest.approx(1.3), pytest.approx(2.5)]
    assert made.under_way == [pytest.approx((1.3 + 2.5) / 2.6)]


def test_a_slow_deployment_is_slow_while_it_is():
    made = Fleet([Maker(pace=lambda now_s: 10.0 if now_s >= 5.0 else 1.0)], "random").serve([ask(0.0), ask(5.0)])
    assert made.whole_s == [pytest.approx(1.3), pytest.approx(13.0)]


def test_a_cache_keeps_the_last_prefixes_and_a_hit_is_quick_and_cheap():
    made = Fleet([Maker(cache=2)], "random").serve([ask(at * 10.0, each) for at, each in enumerate("abacb")])
    assert made.hits == 1
    assert sorted(made.first_s) == [pytest.approx(0.2), *[pytest.approx(0.3)] * 4]
    assert made.dollars == pytest.approx((4 * 1000 + 100 + 5 * 404) / 1e6)


def test_imbalance_is_the_worse_of_two():
    assert Outcome(calls=[2, 1, 1], under_way=[1.0, 1.0, 1.0]).imbalance() == 1.5
    assert Outcome(calls=[1, 1, 1], under_way=[4.0, 1.0, 1.0]).imbalance() == 2.0


def test_quantiles():
    assert quantile(range(100), 0.5) == 50
    assert quantile([3.0], 0.99) == 3.0
