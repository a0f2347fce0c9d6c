from __future__ import annotations

from gateway.core.limits import Period, period_of


def test_a_number_of_seconds_is_a_sliding_period():
    assert period_of(60) == Period(seconds=60.0)
    month = Period(calendar="month", zone="Europe/Berlin")
    assert period_of(month) is month


def test_periods_are_told_apart_by_their_names():
    names = [
        period.name
        for period in (
            Period(seconds=0.5),
            Period(seconds=86_400),
            Period(calendar="day"),
            Period(calendar="day", zone="Asia/Tokyo"),
            Period(calendar="month"),
        )
    ]
    assert names == ["0.5s", "86400s", "day@UTC", "day@Asia/Tokyo", "month@UTC"]
