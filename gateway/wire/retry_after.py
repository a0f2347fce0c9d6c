"""When a provider wants to be asked again, as its headers say."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

from gateway.core.exchange import Headers


def retry_after_s(headers: Headers) -> float | None:
    """Read ``retry-after-ms``, else ``retry-after`` in seconds or as a date, by the provider's own clock.

    Returns:
        Seconds; ``None`` when nothing is said, or nothing that we know.
    """
    for name, scale in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        value = headers.get(name, b"").strip()
        if value.replace(b".", b"", 1).isdigit():
            return float(value) * scale
    until, now = _date(headers, b"retry-after"), _date(headers, b"date")
    return max(0.0, (until - now).total_seconds()) if until is not None and now is not None else None


def _date(headers: Headers, name: bytes) -> datetime | None:
    try:
        date = parsedate_to_datetime(headers.get(name, b"").decode("latin-1"))
    except (ValueError, OverflowError):
        # A year may have a hundred digits.
        return None
    # Without a zone, or with one that is not known, no two of them can be compared.
    return date if date.tzinfo is not None else None
