"""On generated traffic: what changes is found within hours, what only varies is not told."""

from __future__ import annotations

import copy
import functools
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

from gateway.core.drift import Thresholds
from gateway.core.drift_hours import BY_NAME, DAY_S, HOUR_S, MEASURES, Hour, Span, compare, hours_wanted
from tests.support.drift_traffic import BEGIN_S, WEEK_S, Change, Traffic

log = logging.getLogger(__name__)

SOAK = os.environ.get("WEIGHBRIDGE_SOAK") == "1"
SPAN, THRESHOLDS = Span(), Thresholds()
WEEK = WEEK_S // HOUR_S
# A Wednesday at noon, with five weeks before it.
CHANGED_S = BEGIN_S + 5 * WEEK_S + 2 * DAY_S + 12 * HOUR_S


@functools.cache
def _usual() -> tuple[Traffic, dict[int, Hour]]:
    traffic = Traffic(3)
    return traffic, traffic.hours((CHANGED_S - BEGIN_S) // HOUR_S)


def usual() -> tuple[Traffic, dict[int, Hour]]:
    """What was before anything changed; and what makes more of it, the same for whoever asks in whatever order."""
    traffic, hours = _usual()
    return copy.deepcopy(traffic), hours


def drifting(hours: Mapping[int, Hour], ends: Iterable[int]) -> Counter[str]:
    return Counter(
        each.measure
        for ends_s in ends
        for each in compare(hours, ends_s, SPAN, THRESHOLDS)
        if each.finding.state == "drifting"
    )


@pytest.mark.parametrize(
    ("change", "measures", "within"),
    [
        (Change(refusals=8), {"refusals", "refusals_told"}, 3),
        (Change(blocks=8), {"blocks"}, 2),
        (Change(longer=2), {"output_length", "cost"}, 6),
        (Change(slower=2), {"ttft"}, 6),
        (Change(german=0.8), {"question_language", "answer_language"}, 6),
        (Change(topic=0.5), {"questions"}, 6),
        (Change(model="m-2"), {"model"}, 2),
    ],
    ids=lambda value: "" if isinstance(value, int) else None,
)
def test_what_changes_is_found_within_hours(change: Change, measures: set[str], within: int) -> None:
    traffic, hours = usual()
    changed = hours | traffic.hours(within, change, from_s=CHANGED_S)
    assert drifting(changed, (CHANGED_S + within * HOUR_S,)).keys() >= measures


def test_what_has_not_changed_is_not_found() -> None:
    traffic, hours = usual()
    assert not drifting(hours | traffic.hours(6, from_s=CHANGED_S), (CHANGED_S, CHANGED_S + 6 * HOUR_S))


def test_what_only_varies_is_not_told() -> None:
    """Wobbling days, nights and weekends; the rate of false alarms at full length is in docs/drift.md."""
    series, weeks = (40, 8) if SOAK else (1, 6)
    told: Counter[str] = Counter()
    looks = 0
    for seed in range(series):
        hours = Traffic(100 + seed).hours(weeks * WEEK)
        ends = range(BEGIN_S + 3 * DAY_S, BEGIN_S + weeks * WEEK_S, HOUR_S if SOAK else 11 * HOUR_S)
        told += drifting(hours, ends)
        looks += len(ends) * len(MEASURES)
    log.info("%d of %d comparisons drifting: %s", told.total(), looks, dict(told))
    assert told.total() <= looks / 1000


def test_the_first_weekend_is_no_news() -> None:
    hours = Traffic(8).hours(WEEK)
    saturday = BEGIN_S + 5 * DAY_S
    assert not drifting(hours, range(saturday, saturday + 2 * DAY_S, 6 * HOUR_S))
    against = {each.against for each in compare(hours, saturday + 18 * HOUR_S, SPAN, THRESHOLDS)}
    assert against == {""}


def test_a_weekday_is_compared_with_its_like_once_there_are_two() -> None:
    hours = Traffic(9).hours(3 * WEEK)
    first = compare(hours, BEGIN_S + WEEK_S + 18 * HOUR_S, SPAN, THRESHOLDS)
    third = compare(hours, BEGIN_S + 2 * WEEK_S + 18 * HOUR_S, SPAN, THRESHOLDS)
    assert {each.against for each in first} == {"days"}
    assert {each.against for each in third} == {"weekday"}


def test_what_has_been_for_some_days_is_still_told_and_what_has_been_for_weeks_is_usual() -> None:
    traffic, hours = usual()
    hours = hours | traffic.hours(4 * WEEK + 6, Change(longer=3), from_s=CHANGED_S)
    days_later, weeks_later = CHANGED_S + 5 * DAY_S + 6 * HOUR_S, CHANGED_S + 4 * WEEK_S + 6 * HOUR_S
    assert "output_length" in drifting(hours, (days_later,))
    assert "output_length" not in drifting(hours, (weeks_later,))


def test_without_bodies_what_is_read_of_them_is_not_measured() -> None:
    hours = {
        at: Hour(hour_s=at, alias="a", calls=each.calls, judged=each.judged, blocked=each.blocked)
        for at, each in Traffic(11).hours(3 * WEEK).items()
    }
    found = {each.measure: each.finding.state for each in compare(hours, BEGIN_S + 3 * WEEK_S, SPAN, THRESHOLDS)}
    assert found.pop("blocks") == "quiet"
    assert set(found.values()) == {"not measured"}


def test_a_window_without_a_call_is_too_little_data() -> None:
    hours = Traffic(12).hours(3 * WEEK)
    ends_s = BEGIN_S + 3 * WEEK_S + DAY_S
    assert {each.finding.state for each in compare(hours, ends_s, SPAN, THRESHOLDS)} == {"too little data"}


def test_the_hours_that_are_wanted_are_those_that_are_read() -> None:
    wanted = hours_wanted(CHANGED_S, SPAN)
    assert len(wanted) == len(set(wanted)) == 29 * 6
    assert (max(wanted), min(wanted)) == (CHANGED_S - HOUR_S, CHANGED_S - SPAN.back_s)
    _, hours = usual()
    only = {at: hours[at] for at in wanted if at in hours}
    assert compare(only, CHANGED_S, SPAN, THRESHOLDS) == compare(hours, CHANGED_S, SPAN, THRESHOLDS)


def test_measures_have_names_of_their_own() -> None:
    assert list(BY_NAME) == [each.name for each in MEASURES]
