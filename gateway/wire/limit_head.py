"""Header lines that tell a client how much is left of its limits, in the names that clients of its dialect read."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from math import ceil
from typing import Final

from gateway.core.exchange import Headers
from gateway.core.limit_state import Standing

# By quantity: limit, what is left, and when all of it is there again. Nobody has names for money.
_NAMES: Final = tuple(
    (b"x-ratelimit-limit-" + what, b"x-ratelimit-remaining-" + what, b"x-ratelimit-reset-" + what)
    for what in (b"requests", b"tokens")
)
_ANTHROPICS_NAMES: Final = tuple(
    (start + b"-limit", start + b"-remaining", start + b"-reset")
    for start in (b"anthropic-ratelimit-requests", b"anthropic-ratelimit-tokens")
)
_NAMED: Final = len(_NAMES)
_ANTHROPICS: Final = "anthropic_"


def limit_headers(dialect: str, standings: tuple[Standing, ...], at_us: int) -> Headers:
    """Give them: of requests and of tokens, as far as a limit counts these.

    Args:
        dialect: The client's.
        standings: One of each quantity.
        at_us: When that was so, in microseconds since 1970.
    """
    headers: Headers = {}
    anthropics = dialect.startswith(_ANTHROPICS)
    names = _ANTHROPICS_NAMES if anthropics else _NAMES
    for standing in standings:
        charge = standing.charge
        if charge.quantity < _NAMED:
            limit, left, reset = names[charge.quantity]
            headers[limit] = b"%d" % charge.limit
            headers[left] = b"%d" % standing.left
            headers[reset] = _moment(ceil(at_us / 1e6 + standing.reset_s)) if anthropics else duration(standing.reset_s)
    return headers


def header_lines(headers: Headers) -> bytes:
    """Write them out; nothing of ours holds a line break."""
    return b"".join([b"%b: %b\r\n" % item for item in headers.items()])


def duration(seconds: float) -> bytes:
    """Write a time as OpenAI does: ``12ms``, ``1.5s``, ``6m0s``, ``24h0m0s``. Never shorter than it is."""
    return _written(ceil(seconds * 1000)) if seconds > 0 else b"0s"


# What a call has just taken is there again after the whole window: the same time for each call.
@lru_cache(1024)
def _written(ms: int) -> bytes:
    if 0 < ms < 1000:
        return b"%dms" % ms
    minutes, ms = divmod(ms, 60_000)
    rest = b"%ds" % (ms // 1000) if ms % 1000 == 0 else (b"%d.%03d" % divmod(ms, 1000)).rstrip(b"0") + b"s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%b" % (hours, minutes, rest)
    return b"%dm%b" % (minutes, rest) if minutes else rest


@lru_cache(1024)
def _moment(unix_s: int) -> bytes:
    """Write a moment as Anthropic does (RFC 3339), in whole seconds."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
