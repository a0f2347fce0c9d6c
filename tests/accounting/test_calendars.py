from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.calendars import CalendarWindow, bounds_ns
from gateway.core.limits import Calendar, Period

NS = 1_000_000_000
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Africa/Cairo",
]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NS


@pytest.mark.parametrize(
    ("calendar", "zone", "at", "begins", "ends"),
    [
        ("day", "UTC", "2026-05-05T00:00Z", "2026-05-05T00:00Z", "2026-05-06T00:00Z"),
        ("day", "Europe/Berlin", "2026-03-29T12:00Z", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("day", "Europe/Berlin", "2026-10-25T12:00Z", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        # Clocks that are set at midnight itself: one that comes twice, and one that is left out.
        ("day", "America/Havana", "2026-11-01T05:30Z", "2026-11-01T04:00Z", "2026-11-02T05:00Z"),
        ("day", "America/Sao_Paulo", "2018-11-04T12:00Z", "2018-11-04T03:00Z", "2018-11-05T02:00Z"),
        ("week", "UTC", "2026-01-04T23:59Z", "2025-12-29T00:00Z", "2026-01-05T00:00Z"),
        ("week", "Asia/Kolkata", "2026-01-04T18:30Z", "2026-01-05T00:00+05:30", "2026-01-12T00:00+05:30"),
        ("month", "UTC", "2028-02-29T23:59Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
        ("month", "UTC", "2026-12-31T23:59Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
        ("month", "Europe/Berlin", "2026-03-31T21:59Z", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
    ],
)
def test_a_period_is_that_of_the_place(calendar: Calendar, zone: str, at: str, begins: str, ends: str):
    assert bounds_ns(Period(calendar=calendar, zone=zone), ns(at)) == (ns(begins), ns(ends))


@given(st.sampled_from(["day", "week", "month"]), st.sampled_from(ZONES), st.integers(1_500_000_000, 1_900_000_000))
def test_periods_follow_each_other_without_a_gap(calendar: Calendar, zone: str, at_s: int):
    period = Period(calendar=calendar, zone=zone)
    begins, ends = bounds_ns(period, at_s * NS)
    assert begins <= at_s * NS < ends
    assert bounds_ns(period, begins) == (begins, ends)
    assert bounds_ns(period, ends - 1) == (begins, ends)
    assert bounds_ns(period, ends)[0] == ends
    first = datetime.fromtimestamp(begins // NS, ZoneInfo(zone))
    assert calendar != "week" or first.weekday() == 0
    assert calendar != "month" or first.day == 1
    assert (first - timedelta(seconds=1)).date() < first.date()


def test_a_clock_that_is_set_back_does_not_bring_back_what_was_spent():
    window, noon = CalendarWindow(10, Period(calendar="day")), ns("2026-05-05T12:00Z")
    assert window.take(noon, 10)
    assert not window.take(noon - 86_400 * NS, 1)
    assert window.take(noon + 86_400 * NS, 1)
    assert not window.take(noon, 10)


def test_what_was_spent_before_counts_only_when_it_was_in_the_present_period():
    window, noon = CalendarWindow(10, Period(calendar="day")), ns("2026-05-05T12:00Z")
    window.restore(noon - 3600 * NS, 7, noon)
    window.restore(noon - 13 * 3600 * NS, 7, noon)
    assert window.total == 7
    assert window.reset_ns(noon) == 12 * 3600 * NS
    assert not window.idle(noon)
    assert window.idle(noon + 12 * 3600 * NS)


def test_a_counter_that_holds_nothing_needs_no_time_to_be_whole():
    assert CalendarWindow(10, Period(calendar="day")).reset_ns(ns("2026-05-05T12:00Z")) == 0
