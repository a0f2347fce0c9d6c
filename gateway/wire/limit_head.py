"""Header lines that tell a client how much is left of its limits, in the names that clients of its dialect read."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import Final

from gateway.core.exchange import Headers
from gateway.core.limit_state import Quantity, Standing

# Nobody has names for money.
_NAMES: Final = {Quantity.REQUESTS: b"requests", Quantity.TOKENS: b"tokens"}
_ANTHROPICS: Final = "anthropic_"


def limit_headers(dialect: str, standings: tuple[Standing, ...], at_us: int) -> Headers:
    """Give them: of requests and of tokens, as far as a limit counts these.

    Args:
        dialect: The client's.
        standings: One of each quantity.
        at_us: When that was so, in microseconds since 1970.
    """
    headers: Headers = {}
    for standing in standings:
        what = _NAMES.get(standing.charge.quantity)
        if what is None:
            continue
        limit, left = b"%d" % standing.charge.limit, b"%d" % standing.left
        if dialect.startswith(_ANTHROPICS):
            start = b"anthropic-ratelimit-" + what
            headers[start + b"-limit"] = limit
            headers[start + b"-remaining"] = left
            headers[start + b"-reset"] = _moment(at_us / 1e6 + standing.reset_s)
        else:
            headers[b"x-ratelimit-limit-" + what] = limit
            headers[b"x-ratelimit-remaining-" + what] = left
            headers[b"x-ratelimit-reset-" + what] = duration(standing.reset_s)
    return headers


def duration(seconds: float) -> bytes:
    """Write a time as OpenAI does: ``12ms``, ``1.5s``, ``6m0s``, ``24h0m0s``. Never shorter than it is."""
    ms = max(0, ceil(seconds * 1000))
    if 0 < ms < 1000:
        return b"%dms" % ms
    minutes, ms = divmod(ms, 60_000)
    rest = b"%ds" % (ms // 1000) if ms % 1000 == 0 else (b"%d.%03d" % divmod(ms, 1000)).rstrip(b"0") + b"s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%b" % (hours, minutes, rest)
    return b"%dm%b" % (minutes, rest) if minutes else rest


def _moment(unix_s: float) -> bytes:
    """Write a moment as Anthropic does (RFC 3339), in whole seconds. Never sooner than it is."""
    return datetime.fromtimestamp(ceil(unix_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
