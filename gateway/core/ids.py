"""Identifiers: UUIDv7 (RFC 9562 §5.7), time-ordered, as text."""

from __future__ import annotations

from collections.abc import Callable

_HEX = tuple(f"{byte:02x}" for byte in range(256))


def uuid7(unix_ms: int, entropy: bytes) -> str:
    """Format one UUIDv7.

    Args:
        unix_ms: Milliseconds since 1970, 48 bits.
        entropy: Exactly 10 random bytes; 6 of their bits give way to version and variant.

    Returns:
        The 36-character text form.
    """
    e = entropy
    time_hex = f"{unix_ms & 0xFFFF_FFFF_FFFF:012x}"
    tail = e.hex()
    variant = _HEX[(e[2] & 0x3F) | 0x80]
    return f"{time_hex[:8]}-{time_hex[8:]}-7{tail[1:4]}-{variant}{tail[6:8]}-{tail[8:20]}"


class IdSource:
    """Makes exchange ids from an injected clock and an injected source of randomness.

    Args:
        unix_ms: Gives the present in milliseconds since 1970.
        random_bytes: Gives that many random bytes; called once for 256 ids.
    """

    __slots__ = ("_at", "_pool", "_random_bytes", "_unix_ms")

    def __init__(self, unix_ms: Callable[[], int], random_bytes: Callable[[int], bytes]) -> None:
        self._unix_ms = unix_ms
        self._random_bytes = random_bytes
        self._pool = b""
        self._at = 0

    def __call__(self) -> str:
        """Return a fresh id."""
        at = self._at
        if at >= len(self._pool):
            self._pool = self._random_bytes(2560)
            at = 0
        self._at = at + 10
        return uuid7(self._unix_ms(), self._pool[at : at + 10])
