"""Which spans an exchange has, as W3C trace context names them: worked out of its id, so that nobody has to keep them.

Whoever sends a call on writes the span of its try into the header, and whoever tells of the call later, from its record
alone, comes to the same number.
"""

from __future__ import annotations

from hashlib import blake2b

_SPAN_BYTES = 8


def trace_of(exchange_id: str) -> str:
    """The trace of an exchange that belongs to no other: its own id, 32 hexadecimal digits."""
    return exchange_id.replace("-", "")


def span_of(exchange_id: str, what: str = "call") -> str:
    """A span of an exchange, 16 hexadecimal digits.

    Args:
        exchange_id: As the record has it.
        what: Which: ``call``, ``try/1``, ``guard/rule/request``.
    """
    return blake2b(f"{exchange_id}/{what}".encode(errors="replace"), digest_size=_SPAN_BYTES).hexdigest()


def try_span_of(exchange_id: str, number: int) -> str:
    """The span of a try, counted from 1."""
    return span_of(exchange_id, f"try/{number}")
