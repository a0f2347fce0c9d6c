"""When a provider wants to be asked again, as its headers say."""

from __future__ import annotations

from gateway.core.exchange import Headers


def retry_after_s(headers: Headers) -> float | None:
    """Read ``retry-after-ms``, else ``retry-after`` in seconds; ``None`` when neither is a number (a date, say)."""
    for name, scale in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        value = headers.get(name, b"").strip()
        if value.replace(b".", b"", 1).isdigit():
            return float(value) * scale
    return None
