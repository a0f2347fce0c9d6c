"""Days, weeks and months of a place, and counters that begin anew with each. No clock of their own."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo

from gateway.config.zones import zone_of
from gateway.core.limits import Period

_NS = 1_000_000_000
_DAYS_A_WEEK = 7


def bounds_ns(period: Period, unix_ns: int) -> tuple[int, int]:
    """Give the beginning and the end of the calendar's period that holds a moment, in nanoseconds since 1970.

    A period begins with the first moment of its first day, also where clocks are set at midnight; a day may have 23 or
    25 hours.
    """
    zone = zone_of(period.zone)
    day = datetime.fromtimestamp(unix_ns // _NS, zone).date()
    if period.calendar == "day":
        return _midnight_ns(day, zone), _midnight_ns(day + timedelta(days=1), zone)
    if period.calendar == "week":
        monday = day - timedelta(days=day.weekday())
        return _midnight_ns(monday, zone), _midnight_ns(monday + timedelta(days=_DAYS_A_WEEK), zone)
    first = day.replace(day=1)
    # The 32nd day from the first is always in the next month.
    return _midnight_ns(first, zone), _midnight_ns((first + timedelta(days=31)).replace(day=1), zone)


def _midnight_ns(day: date, zone: tzinfo) -> int:
    # Of a midnight that comes twice, the first; one that is left out counts as the moment at which it is.
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * _NS


class CalendarWindow:
    """Amounts within the current day, week or month. Its times are nanoseconds since 1970.

    A clock that is set back does not bring back a period that is over: what is then taken counts for the one in
    progress.

    Args:
        limit: Most that may be admitted in each.
        period: Which.
    """

    __slots__ = ("_ends_ns", "_period", "_starts_ns", "limit", "total")

    wall = True

    def __init__(self, limit: int, period: Period) -> None:
        self.limit = limit
        self.total = 0
        self._period = period
        self._starts_ns = self._ends_ns = 0

    def take(self, now_ns: int, amount: int) -> bool:
        """Count an amount, unless that would exceed the limit."""
        if now_ns >= self._ends_ns:
            self._turn(now_ns)
        if self.total + amount > self.limit:
            return False
        self.total += amount
        return True

    def correct(self, taken_ns: int, difference: int, now_ns: int) -> None:
        """Change an amount taken earlier. More than was taken always counts, even beyond the limit.

        What ran over the end of its period was admitted, and stays counted, in that one; only an excess counts in the
        present one.
        """
        if now_ns >= self._ends_ns:
            self._turn(now_ns)
        if taken_ns >= self._starts_ns or difference > 0:
            self.total += difference

    def wait_ns(self, now_ns: int, amount: int) -> int:
        """How long until this amount fits, if nobody gives any back; 0 when it fits now."""
        if now_ns >= self._ends_ns:
            self._turn(now_ns)
        return 0 if self.total + amount <= self.limit else self._ends_ns - now_ns

    def restore(self, taken_ns: int, amount: int, now_ns: int) -> None:
        """Count what was taken before this counter was made, if that was in the present period."""
        if now_ns >= self._ends_ns:
            self._turn(now_ns)
        if taken_ns >= self._starts_ns:
            self.total += amount

    def reset_ns(self, now_ns: int) -> int:
        """How long until nothing is counted any more."""
        return self.wait_ns(now_ns, self.limit + 1) if self.total else 0

    def idle(self, now_ns: int) -> bool:
        """Whether it may be forgotten."""
        return now_ns >= self._ends_ns

    def _turn(self, now_ns: int) -> None:
        self._starts_ns, self._ends_ns = bounds_ns(self._period, now_ns)
        self.total = 0
