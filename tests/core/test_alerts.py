from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.alerts import (
    QUIET_LOOKS,
    Burn,
    EstimatedShare,
    Standing,
    Sums,
    UnknownPrice,
    judge_burn,
    judge_estimated,
    judge_unknown,
    step,
)
from gateway.core.limits import Period

HOUR, DAY = 3600, 86_400
USD = 10**9
# A month of 30 days, ten of which are over.
PERIOD, NOW = (0, 30 * DAY), 10 * DAY


def burn(**rest) -> Burn:
    plain = {"nanousd": 500 * USD, "per": Period(calendar="month"), "gone_in_s": 3 * DAY, "windows_s": (HOUR, 6 * HOUR)}
    return Burn(**(plain | rest))


def judge(spent: float, hour: float, six: float, now: int = NOW, **rest):
    sums = [Sums(nanousd=round(each * USD)) for each in (spent, hour, six)]
    return judge_burn(burn(**rest), sums[0], sums[1:], now, PERIOD)


@pytest.mark.parametrize(
    ("spent", "hour", "six", "holds"),
    [
        # 300 left; 5 an hour lasts 60 hours, less than three days.
        (200, 5, 30, True),
        (200, 4, 24, False),
        # A spike that is over, and one that has only begun.
        (200, 0, 60, False),
        (200, 20, 20, False),
        (200, 0, 0, False),
        (500, 0, 0, True),
        (600, 0, 0, True),
        (0, 0, 0, False),
    ],
)
def test_a_budget_goes_too_fast_when_every_window_says_so(spent, hour, six, holds) -> None:
    assert judge(spent, hour, six).holds is holds


def test_what_lasts_until_the_next_period_is_no_news() -> None:
    late = 29 * DAY + 12 * HOUR
    assert not judge(200, 5, 30, now=late).holds
    assert judge(450, 5, 30, now=late).holds


def test_a_reading_says_what_it_saw() -> None:
    reading = judge(200, 5, 30)
    assert reading.facts["left_nanousd"] == 300 * USD
    assert reading.facts["gone_in_s"] == 60 * HOUR
    assert (reading.facts["last_1h_nanousd"], reading.facts["last_6h_nanousd"]) == (5 * USD, 30 * USD)
    assert (
        reading.summary
        == "At the rate of the last 1h and the last 6h, the $300.00 left of $500.00 would be gone in 2.5d."
    )
    assert judge(200, 5, 0).facts["gone_in_s"] is None
    assert "would not be gone" in judge(200, 0, 0).summary
    assert judge(501, 0, 0).summary == "The budget of $500.00 is gone: $501.00 spent."
    unknown = judge_burn(burn(windows_s=(HOUR,)), Sums(unknown_calls=3), [Sums()], NOW, PERIOD)
    assert unknown.summary.endswith("3 calls of unknown cost are not in this.")


def test_calls_of_unknown_cost_and_estimates() -> None:
    rule = UnknownPrice(calls=2, within_s=HOUR)
    assert judge_unknown(rule, Sums(calls=9, unknown_calls=2)).holds
    assert not judge_unknown(rule, Sums(calls=9, unknown_calls=1)).holds
    share = EstimatedShare(above=0.2, within_s=DAY, min_calls=10)
    assert judge_estimated(share, Sums(calls=10, nanousd=100, estimated_nanousd=21)).holds
    assert not judge_estimated(share, Sums(calls=10, nanousd=100, estimated_nanousd=20)).holds
    assert not judge_estimated(share, Sums(calls=9, nanousd=100, estimated_nanousd=99)).holds
    assert not judge_estimated(share, Sums(calls=99)).holds


@given(st.lists(st.booleans(), max_size=40))
def test_what_begins_is_told_once_and_its_end_once(looks: list[bool]) -> None:
    standing, told = Standing(), []
    for at, holds in enumerate(looks):
        before = standing
        standing, news = step(standing, holds=holds, now_s=at, episode=f"e{at}")
        if news:
            told.append((news, standing.episode if news == "firing" else before.episode))
    # Begin and end take turns, and an end is of what began.
    assert [news for news, _ in told] == [("firing", "resolved")[number % 2] for number in range(len(told))]
    for begun, over in zip(told[::2], told[1::2], strict=False):
        assert begun[1] == over[1]
    assert standing.firing == (any(looks) and looks[-QUIET_LOOKS:] != [False] * QUIET_LOOKS and len(told) % 2 == 1)
