"""What a period will have cost at its end, from how weeks went so far; a range, and nothing where too little is known.

Simple on purpose, so that a reader can follow it. What is spent by each hour of the week is the mean of past weeks, at
the level of the last one. The range holds four times in five if the days to come differ from their weekday's mean as
past days did, and weeks from one another as past weeks did. It knows of no holidays and no plans.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

HOUR_S, DAY_S, WEEK_S = 3600, 86_400, 604_800
# Less than this says nothing about weekdays.
LEAST_DAYS = 14
MOST_WEEKS = 8
# Four of five, of a normal distribution.
_Z = 1.2816
# A last week that was far from the others is half a story.
_LEVELS = (0.25, 4.0)


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What to expect at the end; ``None`` where too little is known.

    Attributes:
        history_days: Whole days that there is a history of.
    """

    expected_nanousd: int | None = None
    low_nanousd: int | None = None
    high_nanousd: int | None = None
    history_days: int


def forecast(
    hours: Mapping[int, int], spent_nanousd: int, now_s: int, ends_s: int, slot: Callable[[int], int]
) -> Forecast:
    """Look ahead.

    Args:
        hours: What was spent, by the beginning of the hour in seconds since 1970; hours without any may be left out.
        spent_nanousd: In the period so far.
        now_s: Seconds since 1970.
        ends_s: When the period ends.
        slot: The hour of the week, 0 to 167, that a moment is in where the days are counted.
    """
    known = [at for at, nanousd in hours.items() if nanousd]
    days = (now_s - min(known)) // DAY_S if known else 0
    if days < LEAST_DAYS:
        return Forecast(history_days=days)
    weeks = [_week(hours, now_s, number) for number in range(min(days // 7, MOST_WEEKS))]
    mean_week = sum(sum(each.values()) for each in weeks) / len(weeks)
    if not mean_week:
        return Forecast(history_days=days)
    profile = [0.0] * (WEEK_S // HOUR_S)
    for week in weeks:
        for at, nanousd in week.items():
            profile[slot(at)] += nanousd / len(weeks)
    level = min(max(sum(weeks[0].values()) / mean_week, _LEVELS[0]), _LEVELS[1])
    first = now_s // HOUR_S * HOUR_S
    ahead = sum(
        profile[slot(at)] * (min(at + HOUR_S, ends_s) - max(at, now_s)) / HOUR_S for at in range(first, ends_s, HOUR_S)
    )
    ahead *= level
    left_days = max(ends_s - now_s, 0) / DAY_S
    spread = _Z * math.sqrt(left_days * _day_variance(weeks, now_s) + (left_days / 7 * _week_deviation(weeks)) ** 2)
    return Forecast(
        expected_nanousd=spent_nanousd + round(ahead),
        low_nanousd=spent_nanousd + max(round(ahead - spread), 0),
        high_nanousd=spent_nanousd + round(ahead + spread),
        history_days=days,
    )


def outlook(forecast: Forecast, budget_nanousd: int | None) -> str:
    """What the forecast means for a budget, in a word."""
    if budget_nanousd is None:
        return "no budget"
    if forecast.expected_nanousd is None or forecast.low_nanousd is None or forecast.high_nanousd is None:
        return "too little data"
    if forecast.low_nanousd > budget_nanousd:
        return "over"
    if forecast.expected_nanousd > budget_nanousd:
        return "likely over"
    return "may be over" if forecast.high_nanousd > budget_nanousd else "within"


def _week(hours: Mapping[int, int], now_s: int, number: int) -> dict[int, int]:
    """The week that ended that many weeks ago, by the hour."""
    ends_s = now_s - number * WEEK_S
    return {at: nanousd for at, nanousd in hours.items() if ends_s - WEEK_S <= at < ends_s}


def _days(week: Mapping[int, int], ends_s: int) -> list[int]:
    sums = [0] * 7
    for at, nanousd in week.items():
        sums[min((ends_s - 1 - at) // DAY_S, 6)] += nanousd
    return sums


def _day_variance(weeks: Sequence[Mapping[int, int]], now_s: int) -> float:
    """How far a day is from the mean of its weekday, squared, on average."""
    days = [_days(week, now_s - number * WEEK_S) for number, week in enumerate(weeks)]
    means = [sum(column) / len(days) for column in zip(*days, strict=True)]
    off = sum((value - mean) ** 2 for row in days for value, mean in zip(row, means, strict=True))
    return off / (7 * (len(days) - 1))


def _week_deviation(weeks: Sequence[Mapping[int, int]]) -> float:
    sums = [sum(week.values()) for week in weeks]
    mean = sum(sums) / len(sums)
    return math.sqrt(sum((value - mean) ** 2 for value in sums) / (len(sums) - 1))
