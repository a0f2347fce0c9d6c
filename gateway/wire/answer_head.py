"""The header lines that every answer carries: what the gateway says of an exchange (INTERFACE §3)."""

from __future__ import annotations

from gateway.core.record import ExchangeRecord

JSON = b"content-type: application/json\r\n"
EVENTS = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"


def usd(nanousd: int) -> str:
    """Show nano-dollars as dollars, exactly, without trailing zeros."""
    whole, part = divmod(abs(nanousd), 1_000_000_000)
    shown = f"{whole}.{part:09d}".rstrip("0").rstrip(".")
    return f"-{shown}" if nanousd < 0 else shown


def _safe(text: str) -> bytes:
    """A value as header bytes: what could end the line or is not printable becomes ``?``."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    return "".join(c if " " <= c <= "~" else "?" for c in text).encode("ascii")


def head_lines(record: ExchangeRecord, overhead_ms: float, *, cost: bool) -> bytes:
    """Encode the ``x-weighbridge-*`` lines.

    Args:
        record: As far as it is known when the head goes out.
        overhead_ms: The gateway's own share of the time so far.
        cost: Name the cost when it is known; not on streams, where it is known only at the end.
    """
    lines = b"x-weighbridge-id: %b\r\nx-weighbridge-cache: %b\r\n" % (record.id.encode(), record.cache.encode())
    verdict = record.verdict.encode()
    lines += b"x-weighbridge-verdict: %b\r\nx-weighbridge-overhead-ms: %.3f\r\n" % (verdict, overhead_ms)
    if record.provider:
        model = record.model_served or record.deployment.partition("/")[2]
        lines += b"x-weighbridge-provider: %b\r\nx-weighbridge-model: %b\r\nx-weighbridge-attempts: %d\r\n" % (
            _safe(record.provider),
            _safe(model),
            len(record.attempts) or 1,
        )
    if record.policy_revision:
        lines += b"x-weighbridge-policy: %b\r\n" % record.policy_revision.encode()
    if cost and record.cost_nanousd is not None:
        lines += b"x-weighbridge-cost-usd: %b\r\n" % usd(record.cost_nanousd).encode()
    return lines
