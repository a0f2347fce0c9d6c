"""Reading what callers wrote into a request. Every function raises ``MalformedRequest`` that names the parameter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from gateway.config.units import parse_duration
from gateway.core.errors import MalformedRequest

MOST_TEXT = 512
_LONGEST_S = 10 * 366 * 86_400.0


def text(query: Mapping[str, str], name: str) -> str:
    """A plain text, empty when absent."""
    value = query.get(name, "")
    if len(value) > MOST_TEXT:
        raise MalformedRequest(f"'{name}' is too long.", param=name)
    return value


def whole_number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number from 1 to ``most``."""
    value = query.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most):
        raise MalformedRequest(f"'{name}' must be a whole number from 1 to {most}.", param=name)
    return int(value)


def span_s(query: Mapping[str, str], name: str, default: str) -> float:
    """A length of time such as ``15m``, ``24h`` or ``7d``, in seconds."""
    try:
        seconds = parse_duration(query.get(name) or default)
    except ValueError as error:
        raise MalformedRequest(f"'{name}' {error}.", param=name) from None
    if seconds > _LONGEST_S:
        raise MalformedRequest(f"'{name}' reaches back too far.", param=name)
    return seconds


def moment_us(query: Mapping[str, str], name: str, now_us: int) -> int:
    """A moment, as microseconds since 1970, 0 when absent: an age (``24h``), or an ISO 8601 time, UTC by default."""
    value = query.get(name)
    if not value:
        return 0
    if value[-1] in "smhd":
        return now_us - round(span_s(query, name, value) * 1_000_000)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise MalformedRequest(f"'{name}' must be an age such as 24h, or an ISO 8601 time.", param=name) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)


def choices(
    query: Mapping[str, str], name: str, default: str, known: tuple[str, ...], most: int | None = None
) -> tuple[str, ...]:
    """Some of the known words, separated by commas."""
    chosen = tuple(dict.fromkeys((query.get(name) or default).split(",")))
    if not set(chosen) <= set(known) or len(chosen) > (most or len(known)):
        amount = "one" if most == 1 else "one or more"
        raise MalformedRequest(f"'{name}' takes {amount} of {', '.join(known)}.", param=name)
    return chosen


def exchange_id(value: str) -> str:
    """An exchange's id in its usual form."""
    try:
        return str(UUID(value))
    except ValueError:
        raise MalformedRequest("An exchange's id is a UUID.", param="id") from None
