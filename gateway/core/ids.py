"""Identifiers: UUIDv7 (RFC 9562 §5.7), time-ordered, as text."""

from __future__ import annotations

from collections.abc import Callable

_BATCH = 256
# Where each of an id's 20 hexadecimal digits goes: "xxx-yxxx-xxxxxxxxxxxx". The first gives way to the version, and the
# variant's two bits stand in front of what is left of another.
_PLACES = ((0, 1), (1, 2), (2, 3), (4, 4), (5, 5), (6, 6), (7, 7), *((place, place - 1) for place in range(9, 21)))
_VARIANT_PLACE, _TAIL_CHARS = 4, 21
_VARIANT = bytes.maketrans(b"0123456789abcdef", b"89ab" * 4)


def uuid7(unix_ms: int, entropy: bytes) -> str:
    """Format one UUIDv7.

    Args:
        unix_ms: Milliseconds since 1970, 48 bits.
        entropy: Exactly 10 random bytes; 6 of their bits give way to version and variant.

    Returns:
        The 36-character text form.
    """
    return _front(unix_ms) + _tails(entropy)


def _front(unix_ms: int) -> str:
    digits = f"{unix_ms & 0xFFFF_FFFF_FFFF:012x}"
    return f"{digits[:8]}-{digits[8:]}-7"


def _tails(entropy: bytes) -> str:
    """The ends of as many ids as there are ten bytes, one behind the other: a column of all of them at a time."""
    digits = entropy.hex().encode()
    tails = bytearray(b"-") * (_TAIL_CHARS * len(entropy) // 10)
    for place, digit in _PLACES:
        tails[place::_TAIL_CHARS] = digits[digit::20]
    tails[_VARIANT_PLACE::_TAIL_CHARS] = digits[_VARIANT_PLACE::20].translate(_VARIANT)
    return tails.decode()


class IdSource:
    """Makes exchange ids from an injected source of randomness.

    Args:
        random_bytes: Gives that many random bytes; called once for 256 ids.
    """

    __slots__ = ("_at", "_front", "_random_bytes", "_tails", "_unix_ms")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._tails = ""
        self._at = 0
        self._unix_ms = -1
        self._front = ""

    def __call__(self, unix_ms: int) -> str:
        """Return a fresh id for this millisecond since 1970."""
        at = self._at
        if not at:
            self._tails = _tails(self._random_bytes(10 * _BATCH))
            at = len(self._tails)
        self._at = start = at - _TAIL_CHARS
        if unix_ms != self._unix_ms:
            self._unix_ms = unix_ms
            self._front = _front(unix_ms)
        return self._front + self._tails[start:at]
