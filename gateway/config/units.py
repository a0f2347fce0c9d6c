"""Quantities as people write them: ``32MiB``, ``10s``, ``1%``. Messages never quote what was written."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)")
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(ms|s|m|h|d)")
_QUANTILE = re.compile(r"p([0-9]{2}(?:\.[0-9]{1,3})?)")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")

_BYTE_UNITS = {"": 1, "B": 1, "kB": 10**3} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGT", start=1)
    for suffix, base in (("B", 1000), ("iB", 1024))
}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Of any stretch of that length, not of the calendar: a month is thirty days.
_SECONDS_BY_NAME = {
    "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604_800.0, "month": 2_592_000.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wait:
    """A time to wait: seconds, or, where they are 0, as long as this share of all lasts."""

    seconds: float = 0.0
    quantile: float = 0.0

    def __str__(self) -> str:
        return f"{self.seconds:g}s" if self.seconds else f"p{self.quantile * 100:g}"


def parse_bytes(value: object) -> int:
    """Read an amount of bytes.

    Args:
        value: A whole number of bytes, or a text such as ``64KiB``, ``32MiB``, ``4GB``.

    Raises:
        ValueError: It is neither, or not a whole number of bytes.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _BYTES.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2] not in _BYTE_UNITS:
        raise ValueError("should be an amount of bytes such as 64KiB, 32MiB or 4GiB")
    amount = float(match[1]) * _BYTE_UNITS[match[2]]
    if amount != int(amount):
        raise ValueError("should come to a whole number of bytes")
    return int(amount)


def parse_duration(value: object) -> float:
    """Read a duration as seconds.

    Args:
        value: A text such as ``500ms``, ``10s``, ``5m``, ``2h``, ``30d``. A bare number says no unit and is refused.

    Raises:
        ValueError: It is not one.
    """
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("should be a duration with its unit, such as 500ms, 10s, 2h or 30d")
    return float(match[1]) * _SECONDS[match[2]]


def parse_wait(value: object) -> Wait:
    """Read a time to wait: a duration, or the share of all that lasts no longer.

    Args:
        value: A text such as ``800ms``, ``p95`` or ``p99.5``.

    Raises:
        ValueError: It is neither, or outside what makes sense: 10 ms to 10 minutes, p50 to p99.9.
    """
    if isinstance(value, Wait):
        return value
    match = _QUANTILE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None and 50 <= float(match[1]) <= 99.9:
        return Wait(quantile=float(match[1]) / 100)
    try:
        seconds = 0.0 if match is not None else parse_duration(value)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 600:
        raise ValueError("should be a duration from 10ms to 10m, or a share of calls from p50 to p99.9, such as p95")
    return Wait(seconds=seconds)


def parse_percent(value: object) -> float:
    """Read a share as a fraction of one.

    Args:
        value: A text such as ``1%`` or ``0.5%``; at most ``100%``.

    Raises:
        ValueError: It is not one.
    """
    match = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError("should be a share between 0% and 100%")
    return float(match[1]) / 100


def period_s(name: str) -> float:
    """Seconds in a named period: second, minute, hour, day, week or month."""
    return _SECONDS_BY_NAME[name]
