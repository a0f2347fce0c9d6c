"""As much of Protocol Buffers' encoding as is needed to write messages of which every field is known.

Whoever has a field's number writes its tag once (:func:`tag`) and puts values behind it; see
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

_DOUBLE = struct.Struct("<d").pack
_FIXED64 = struct.Struct("<Q").pack
_FIXED32 = struct.Struct("<I").pack
_SIZES = {VARINT: 0, FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10


class Unreadable(Exception):
    """It is no message."""


def varint(value: int) -> bytes:
    """Encode a number from 0 to 2**64 - 1."""
    if value < 0x80:
        return _ONE_BYTE[value]
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


_ONE_BYTE = tuple(bytes((value,)) for value in range(0x80))


def tag(number: int, kind: int) -> bytes:
    """What stands before a field's value."""
    return varint(number << 3 | kind)


def signed(value: int) -> bytes:
    """Encode an ``int64``; what it cannot hold is cut down to what it can."""
    return varint(max(-(2**63), min(value, 2**63 - 1)) & 2**64 - 1)


def fixed64(value: int) -> bytes:
    """Encode a ``fixed64``."""
    return _FIXED64(value & 2**64 - 1)


def fixed32(value: int) -> bytes:
    """Encode a ``fixed32``."""
    return _FIXED32(value & 2**32 - 1)


def double(value: float) -> bytes:
    """Encode a ``double``."""
    return _DOUBLE(value)


def block(data: bytes) -> bytes:
    """Encode bytes, a text or a message, behind their length."""
    return varint(len(data)) + data


def packed_fixed64(values: Sequence[int]) -> bytes:
    """Encode a packed list of ``fixed64``."""
    return block(struct.pack(f"<{len(values)}Q", *values))


def packed_double(values: Sequence[float]) -> bytes:
    """Encode a packed list of ``double``."""
    return block(struct.pack(f"<{len(values)}d", *values))


def fields(message: bytes) -> dict[int, int | bytes]:
    """Take a message apart: the last value of each field, numbers of fixed size as bytes.

    Raises:
        Unreadable: It is none.
    """
    found: dict[int, int | bytes] = {}
    at, end = 0, len(message)
    while at < end:
        head, at = _read_varint(message, at)
        number, kind = head >> 3, head & 7
        value, at = _read_varint(message, at) if kind in (VARINT, LENGTH) else (0, at)
        if kind == VARINT:
            found[number] = value
            continue
        size = value if kind == LENGTH else _SIZES.get(kind)
        if size is None or at + size > end:
            raise Unreadable
        found[number] = message[at : at + size]
        at += size
    return found


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise Unreadable
