"""Identifiers: UUIDv7 (RFC 9562 §5.7), time-ordered, as text."""

from __future__ import annotations

from collections.abc import Callable

_BATCH = 256
_VARIANT = "89ab"


def uuid7(unix_ms: int, entropy: bytes) -> str:
    """Format one UUIDv7.

    Args:
        unix_ms: Milliseconds since 1970, 48 bits.
        entropy: Exactly 10 random bytes; 6 of their bits give way to version and variant.

    Returns:
        The 36-character text form.
    """
    return _front(unix_ms) + _tail(entropy.hex())


def _front(unix_ms: int) -> str:
    digits = f"{unix_ms & 0xFFFF_FFFF_FFFF:012x}"
    return f"{digits[:8]}-{digits[8:]}-7"


def _tail(digits: str) -> str:
    return f"{digits[1:4]}-{_VARIANT[int(digits[4], 16) & 3]}{digits[5:8]}-{digits[8:20]}"


class IdSource:
    """Makes exchange ids from an injected source of randomness.

    Args:
        random_bytes: Gives that many random bytes; called once for 256 ids.
    """

    __slots__ = ("_front", "_random_bytes", "_tails", "_unix_ms")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._tails: list[str] = []
        self._unix_ms = -1
        self._front = ""

    def __call__(self, unix_ms: int) -> str:
        """Return a fresh id for this millisecond since 1970."""
        if not self._tails:
            digits = self._random_bytes(10 * _BATCH).hex()
            self._tails = [_tail(digits[at : at + 20]) for at in range(0, 20 * _BATCH, 20)]
        if unix_ms != self._unix_ms:
            self._unix_ms = unix_ms
            self._front = _front(unix_ms)
        return self._front + self._tails.pop()
