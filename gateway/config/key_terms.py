"""What is written of a virtual key, in a file or on a command line: what it may cost, and when it ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.config.units import parse_duration, period_s
from gateway.core.limits import Budget, Calendar, Period

_BUDGET = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(?:usd|USD)\s*/\s*([a-z]+)(?:\s*@\s*(\S{1,64}))?")
_CALENDAR: dict[str, Calendar] = {"day": "day", "week": "week", "month": "month"}
_SLIDING = ("second", "minute", "hour")
_PERIODS = (*_SLIDING, *_CALENDAR)
_LIKE = "should be like 5usd/month, or {usd: 5, per: month}; per takes " + ", ".join(_PERIODS)
# What is still exact where money is a number with a fraction.
_MAX_NANOUSD = 2**53
_LONGEST_S = 100 * 366 * 86_400


def parse_budget(value: object) -> Budget:
    """Read a budget.

    Args:
        value: A text such as ``5usd/month`` or ``20usd/day@Europe/Berlin``, or a mapping with ``usd``, ``per`` and
            perhaps ``zone``.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, Budget):
        return value
    match = _BUDGET.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        amount, per, zone = match[1], match[2], match[3] or "UTC"
    elif isinstance(value, dict):
        amount, per, zone = _parts(cast("dict[str, object]", value))
    else:
        raise ValueError(_LIKE)
    if per not in _PERIODS:
        raise ValueError(_LIKE)
    whole, _, rest = amount.partition(".")
    nanousd = int(whole) * 10**9 + int(f"{rest:0<9}")
    if not 0 < nanousd < _MAX_NANOUSD:
        raise ValueError("should be more than nothing, and less than nine million dollars")
    return Budget(nanousd=nanousd, per=_period(per, zone))


def budget_text(budget: Budget) -> str:
    """Write a budget as :func:`parse_budget` reads it."""
    whole, rest = divmod(budget.nanousd, 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    per = budget.per
    name = per.calendar or next(each for each in _SLIDING if period_s(each) == per.seconds)
    zone = "" if per.zone == "UTC" else f"@{per.zone}"
    return f"{whole}{fraction}usd/{name}{zone}"


def parse_moment(value: object) -> int:
    """Read a moment as seconds since 1970: an ISO 8601 date or time, UTC where it says no zone.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("should be a date or a time such as 2027-02-01 or 2027-02-01T12:00:00Z") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def parse_expiry(value: str, now_s: float) -> int:
    """Read when something ends, as seconds since 1970: after a while (``30d``), or at a moment.

    Raises:
        ValueError: It is neither, or lies in the past, or a century ahead.
    """
    try:
        ends_s = int(now_s + parse_duration(value))
    except ValueError:
        try:
            ends_s = parse_moment(value)
        except ValueError:
            raise ValueError("should be a duration such as 30d, or a date such as 2027-02-01") from None
    if not now_s < ends_s < now_s + _LONGEST_S:
        raise ValueError("should lie ahead, and within a century")
    return ends_s


def _parts(value: dict[str, object]) -> tuple[str, str, str]:
    amount, per, zone = value.get("usd"), value.get("per"), value.get("zone", "UTC")
    if not {"usd", "per"} <= value.keys() <= {"usd", "per", "zone"} or isinstance(amount, bool):
        raise ValueError(_LIKE)
    written = f"{amount:.9f}" if isinstance(amount, float) else str(amount)
    if not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", written) or not (
        isinstance(per, str) and isinstance(zone, str)
    ):
        raise ValueError(_LIKE)
    return written, per, zone


def _period(per: str, zone: str) -> Period:
    if per in _SLIDING:
        if zone != "UTC":
            raise ValueError("a zone is for a day, a week or a month")
        return Period(seconds=period_s(per))
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("names no time zone that is known, such as Europe/Berlin") from None
    return Period(calendar=_CALENDAR[per], zone=zone)
