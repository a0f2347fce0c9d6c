from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.forecast import DAY_S, HOUR_S, LEAST_DAYS, WEEK_S, Forecast, forecast, outlook

NOW = 100 * WEEK_S


def slot(at: int) -> int:
    return at % WEEK_S // HOUR_S


def weeks(number: int, spend) -> dict[int, int]:
    return {at: spend(at) for at in range(NOW - number * WEEK_S, NOW, HOUR_S)}


def test_weeks_that_are_all_alike_go_on_alike() -> None:
    # Only on the first two days of a week, and only in the morning.
    def busy(at: int) -> int:
        return 1_000 if slot(at) < 48 and slot(at) % 24 < 12 else 0

    found = forecast(weeks(4, busy), 5_000, NOW, NOW + WEEK_S, slot)
    assert found.expected_nanousd == found.low_nanousd == found.high_nanousd == 5_000 + 24_000
    # What is left of the week after its busy days costs nothing.
    assert forecast(weeks(4, busy), 5_000, NOW, NOW + 2 * DAY_S, slot).expected_nanousd == 5_000 + 24_000
    assert forecast(weeks(4, busy), 5_000, NOW, NOW + DAY_S // 4, slot).expected_nanousd == 5_000 + 6_000


def test_the_last_week_sets_the_level_and_the_range_grows_with_it() -> None:
    found = forecast(weeks(4, lambda at: 2_000 if at >= NOW - WEEK_S else 1_000), 0, NOW, NOW + WEEK_S, slot)
    assert found.expected_nanousd == 2_000 * 168
    assert found.low_nanousd is not None
    assert found.high_nanousd is not None
    assert found.low_nanousd < 1_500 * 168 < found.high_nanousd


def test_too_little_data_is_said_to_be_so() -> None:
    short = {NOW - (LEAST_DAYS - 1) * DAY_S: 5}
    assert forecast(short, 5, NOW, NOW + WEEK_S, slot) == Forecast(history_days=LEAST_DAYS - 1)
    assert forecast({}, 0, NOW, NOW + WEEK_S, slot) == Forecast(history_days=0)
    assert forecast({NOW - 20 * WEEK_S: 5}, 0, NOW, NOW + WEEK_S, slot).expected_nanousd is None
    assert outlook(Forecast(history_days=3), 10) == "too little data"


def test_the_range_holds_about_four_times_in_five() -> None:
    chance = random.Random(5)
    held = 0
    for _ in range(200):
        days = [chance.uniform(0, 24_000) for _ in range(6 * 7)]
        history = weeks(5, lambda at, days=days: round(days[(at - NOW + 5 * WEEK_S) // DAY_S] / 24))
        found = forecast(history, 0, NOW, NOW + WEEK_S, slot)
        assert found.low_nanousd is not None
        assert found.high_nanousd is not None
        held += found.low_nanousd <= sum(days[35:]) <= found.high_nanousd
    assert 140 <= held <= 190


@given(st.dictionaries(st.integers(0, 8 * 168), st.integers(0, 10**12), min_size=1), st.integers(0, 31 * DAY_S))
def test_a_forecast_is_never_below_what_is_spent_and_within_its_range(history: dict[int, int], left: int) -> None:
    hours = {NOW - number * HOUR_S: nanousd for number, nanousd in history.items()}
    found = forecast(hours, 7, NOW, NOW + left, slot)
    if found.expected_nanousd is not None:
        assert found.low_nanousd is not None
        assert found.high_nanousd is not None
        assert 7 <= found.low_nanousd <= found.expected_nanousd <= found.high_nanousd


def test_what_it_means_for_a_budget() -> None:
    found = Forecast(expected_nanousd=100, low_nanousd=90, high_nanousd=120, history_days=30)
    assert [outlook(found, budget) for budget in (None, 80, 95, 110, 120)] == [
        "no budget",
        "over",
        "likely over",
        "may be over",
        "within",
    ]
