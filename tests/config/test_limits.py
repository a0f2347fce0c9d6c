from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.limits import parse_usd
from gateway.config.schema import FileSpec
from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.core.limits import Budget, LimitRule, Period

BERLIN = Period(calendar="month", zone="Europe/Berlin")


def checked(limit: str) -> Any:
    return validated(FileSpec, load_yaml(f"version: 1\nlimits: [{{{limit}}}]", "w"))


def rule(limit: str) -> LimitRule:
    found = checked(limit)
    assert found.problems == ()
    return found.value.limits[0].rule()


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (
            "scope: team, match: {team: a, model: [b, 'c-*']}, concurrency: 1",
            LimitRule(scope="team", match={"team": ("a",), "model": ("b", "c-*")}, concurrency=1),
        ),
        (
            "scope: key, requests: {max: 5, per: second}, tokens: {max: 9, per: month}",
            LimitRule(scope="key", requests=(5, 1.0), tokens=(9, 2_592_000.0)),
        ),
        (
            "scope: key, requests: {max: 5, per: week, zone: UTC}",
            LimitRule(scope="key", requests=(5, Period(calendar="week"))),
        ),
        # A budget is one of the calendar, a rate of money is one of any stretch.
        (
            "scope: tag, match: {tag: 'project=*'}, budget: {usd: 500, per: month, zone: Europe/Berlin}",
            LimitRule(
                scope="tag",
                match={"tag": ("project=*",)},
                budget=Budget(nanousd=500_000_000_000, per=BERLIN),
            ),
        ),
        (
            "scope: team, budget: {usd: '0.05', per: day}, cost: {usd: 0.1, per: day}, on_unknown_price: deny",
            LimitRule(
                scope="team",
                budget=Budget(nanousd=50_000_000, per=Period(calendar="day")),
                cost=Budget(nanousd=100_000_000, per=Period(seconds=86_400)),
                on_unknown_price="deny",
            ),
        ),
        (
            "scope: model, cost: {usd: 1, per: hour}",
            LimitRule(scope="model", cost=Budget(nanousd=10**9, per=Period(seconds=3600))),
        ),
    ],
)
def test_what_is_written_is_the_rule_that_holds(limit: str, expected: LimitRule):
    assert rule(limit) == expected


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("scope: team", "limits[0]: limits nothing; give requests, tokens, cost, budget or concurrency"),
        ("scope: user, concurrency: 1", "limits[0].scope"),
        ("scope: team, requests: {max: 1, per: year}", "limits[0].requests.per"),
        ("scope: team, requests: {max: 0, per: day}", "limits[0].requests.max: should be greater than or"),
        ("scope: team, requests: {max: 1, per: hour, zone: UTC}", "limits[0].requests: zone is for days, weeks and"),
        ("scope: team, budget: {usd: 5}", "limits[0].budget.per"),
        ("scope: team, budget: {usd: 5, per: month, zone: Europe/Berln}", "zone: is no time zone that this machine"),
        ("scope: team, budget: {usd: 0, per: month}", "limits[0].budget.usd: should be more than nothing"),
        ("scope: team, budget: {usd: -1, per: month}", "limits[0].budget.usd: should be an amount of dollars"),
        ("scope: team, budget: {usd: true, per: month}", "limits[0].budget.usd: should be an amount of dollars"),
        ("scope: team, budget: {usd: .inf, per: month}", "limits[0].budget.usd: should be an amount of dollars"),
        ("scope: team, budget: {usd: .nan, per: month}", "limits[0].budget.usd: should be an amount of dollars"),
        ("scope: team, budget: {usd: 5usd, per: month}", "limits[0].budget.usd: should be an amount of dollars"),
        ("scope: team, budget: {usd: 0.0000000001, per: month}", "limits[0].budget.usd: should be an amount of"),
        ("scope: team, budget: {usd: 10000000, per: month}", "limits[0].budget.usd: should be at most 9007199"),
        ("scope: team, budget: {usd: 5, eur: 5, per: month}", "limits[0].budget.eur: unknown key"),
        ("scope: key, concurrency: 1, match: {tag: x}", "limits[0].match.tag: should be of the form name=value"),
        ("scope: key, concurrency: 1, on_unknown_price: deny", "limits[0]: on_unknown_price is for limits of money"),
        ("scope: key, concurrency: 1, on_exhausted: end", "limits[0]: on_exhausted is for limits of tokens or money"),
        ("scope: key, tokens: {max: 1, per: day}, on_exhausted: stop", "limits[0].on_exhausted: should be 'end' or"),
    ],
)
def test_nonsense_is_refused_by_name(limit: str, problem: str):
    found = [str(each) for each in checked(limit).problems]
    assert len(found) == 1, found
    assert problem in found[0]


@given(st.integers(1, 9_007_199_254_740_992))
def test_money_is_read_to_the_last_nano_dollar(nanousd: int):
    whole, part = divmod(nanousd, 10**9)
    assert parse_usd(f"{whole}.{part:09d}") == nanousd


@given(st.integers(1, 9_007_199), st.integers(0, 6))
def test_a_number_means_what_it_says(digits: int, places: int):
    assert parse_usd(digits / 10**places) == digits * 10 ** (9 - places)
