"""The header lines that every answer carries: what the gateway says of an exchange (INTERFACE §3)."""

from __future__ import annotations

from gateway.core.record import ExchangeRecord

JSON = b"content-type: application/json\r\n"
MAX_REMEMBERED = 1024
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


class AnswerHead:
    """Encodes the ``x-weighbridge-*`` lines; what many exchanges have in common is encoded once."""

    __slots__ = ("_constant",)

    def __init__(self) -> None:
        self._constant: dict[tuple[str, str, str, str, str, int], bytes] = {}

    def lines(self, record: ExchangeRecord, overhead_ms: float, *, attempts: int, cost: bool = False) -> bytes:
        """Encode the lines.

        Args:
            record: As far as it is known when the head goes out.
            overhead_ms: The gateway's own share of the time so far.
            attempts: Tries at providers so far.
            cost: Name the cost when it is known; not on streams, where it is known only at the end.
        """
        constant = self.constant(record, record.model_served or record.model_requested, attempts)
        if record.dropped_fields:
            constant += b"x-weighbridge-dropped: %b\r\n" % _safe(",".join(record.dropped_fields))
        return self.encode(record.id, overhead_ms, constant, record.cost_nanousd if cost else None)

    def encode(self, exchange_id: str, overhead_ms: float, constant: bytes, cost_nanousd: int | None) -> bytes:
        """Encode the lines of one exchange, given those that many have in common."""
        if cost_nanousd is not None:
            constant += b"x-weighbridge-cost-usd: %b\r\n" % usd(cost_nanousd).encode()
        return b"x-weighbridge-id: %b\r\nx-weighbridge-overhead-ms: %.3f\r\n%b" % (
            exchange_id.encode(),
            overhead_ms,
            constant,
        )

    def constant(self, record: ExchangeRecord, model: str, attempts: int) -> bytes:
        """Give the lines that exchanges with the same ends have in common."""
        key = (record.provider, model, record.verdict, record.policy_revision, record.cache, attempts)
        constant = self._constant.get(key)
        if constant is None:
            constant = self._encode(record, model, attempts)
            # Models and providers are few; a client that invents names only empties the memory.
            if len(self._constant) >= MAX_REMEMBERED:
                self._constant.clear()
            self._constant[key] = constant
        return constant

    def _encode(self, record: ExchangeRecord, model: str, attempts: int) -> bytes:
        shown = {"cache": record.cache, "verdict": record.verdict}
        if record.provider:
            shown |= {"provider": record.provider, "model": model, "attempts": str(attempts)}
        shown["policy"] = record.policy_revision
        return b"".join(b"x-weighbridge-%b: %b\r\n" % (k.encode(), _safe(v)) for k, v in shown.items() if v)
