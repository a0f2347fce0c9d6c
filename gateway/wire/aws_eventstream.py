"""Amazon's binary framing of streams, ``application/vnd.amazon.eventstream``: frames ↔ bytes, cut anywhere.

A frame is its length, the length of its headers, a checksum of these two, the headers, a payload, and a checksum of all
of it: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html. What does not add up is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from zlib import crc32

import msgspec

from gateway.core.errors import InvalidAnswer

MEDIA_TYPE = b"application/vnd.amazon.eventstream"
MAX_HEADERS_BYTES = 131_072
MAX_PAYLOAD_BYTES = 25_165_824
# Numbers and times are integers, and what is 16 bytes long by its type is bytes.
HeaderValue = str | bytes | bool | int

_PRELUDE_BYTES, _CRC_BYTES = 12, 4
_LEAST_BYTES = _PRELUDE_BYTES + _CRC_BYTES
# The heads of one stream are few and small.
_REMEMBERED_BYTES = 256
_LENGTHS = struct.Struct(">II")
_CRC = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_LONG = struct.Struct(">q")
_TRUE, _FALSE, _BYTES, _STRING, _LONG_TYPE = 0, 1, 6, 7, 5
# Of types whose values are as long as the type says: their length, and whether they are numbers.
_FIXED = {2: (1, True), 3: (2, True), 4: (4, True), 5: (8, True), 8: (8, True), 9: (16, False)}


class Frame(msgspec.Struct, frozen=True):
    """One message: what it says of itself, and what it carries. ``headers`` is shared, and not to be changed."""

    headers: Mapping[str, HeaderValue]
    payload: bytes

    def text(self, name: str) -> str:
        """Return a header that is a string; empty when it is missing or something else."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class FrameSplitter:
    """Cuts a stream into frames, whatever pieces it comes in."""

    __slots__ = ("_at", "_buffer", "_total")

    def __init__(self) -> None:
        self._buffer = bytearray()
        # Where the next frame begins, and how long it is, once its prelude has been checked.
        self._at = 0
        self._total = 0

    @property
    def carry(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes, and give the frames that are whole now, one at a time.

        Raises:
            InvalidAnswer: A frame is broken; those before it were given.
        """
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data
        return iter(self._next, None)

    def rest(self) -> bytes:
        """Return what is left of a frame that never became whole, and forget it."""
        rest = bytes(self._buffer[self._at :])
        self._buffer.clear()
        self._at = self._total = 0
        return rest

    def _next(self) -> bytes | None:
        buffer, at = self._buffer, self._at
        waiting = len(buffer) - at
        if waiting < _PRELUDE_BYTES:
            return None
        if not self._total:
            self._total = _checked_length(bytes(buffer[at : at + _PRELUDE_BYTES]))
        if waiting < self._total:
            return None
        raw = bytes(buffer[at : at + self._total])
        self._at += self._total
        self._total = 0
        if crc32(raw[:-_CRC_BYTES]) != _CRC.unpack_from(raw, len(raw) - _CRC_BYTES)[0]:
            raise InvalidAnswer("The provider sent a frame whose checksum is wrong.")
        return raw


def _checked_length(prelude: bytes) -> int:
    total, headers = _LENGTHS.unpack_from(prelude)
    if crc32(prelude[:8]) != _CRC.unpack_from(prelude, 8)[0]:
        raise InvalidAnswer("The provider sent a frame whose lengths do not have their checksum.")
    if headers > MAX_HEADERS_BYTES or not _LEAST_BYTES <= total - headers <= _LEAST_BYTES + MAX_PAYLOAD_BYTES:
        raise InvalidAnswer("The provider sent a frame of a length that cannot be.")
    return total


def decode(raw: bytes) -> Frame:
    """Read one whole frame, as :class:`FrameSplitter` gives it.

    Raises:
        InvalidAnswer: Its headers cannot be read.
    """
    block, payload = parts(raw)
    return Frame(read_headers(block), payload)


def parts(raw: bytes) -> tuple[bytes, bytes]:
    """Give the headers of a whole frame, as they stand in it, and its payload."""
    end = _PRELUDE_BYTES + int.from_bytes(raw[4:8])
    return raw[_PRELUDE_BYTES:end], raw[end:-_CRC_BYTES]


def read_headers(block: bytes) -> Mapping[str, HeaderValue]:
    """Read the headers of a frame.

    Raises:
        InvalidAnswer: They cannot be read.
    """
    return _remembered(block) if len(block) <= _REMEMBERED_BYTES else _read_headers(block)


def _read_headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(block):
            size = block[at]
            name = block[at + 1 : at + 1 + size].decode()
            headers[name], at = _read_value(block, at + 1 + size)
    except (IndexError, struct.error, UnicodeDecodeError):
        raise InvalidAnswer("The provider sent a frame whose headers cannot be read.") from None
    if at != len(block):
        raise InvalidAnswer("The provider sent a frame whose headers are cut short.")
    return headers


_remembered = lru_cache(maxsize=64)(_read_headers)


def _read_value(block: bytes, at: int) -> tuple[HeaderValue, int]:
    kind = block[at]
    at += 1
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind in (_BYTES, _STRING):
        (size,) = _SHORT.unpack_from(block, at)
        value = block[at + 2 : at + 2 + size]
        return (value if kind == _BYTES else value.decode()), at + 2 + size
    if kind not in _FIXED:
        raise InvalidAnswer("The provider sent a frame with a header of an unknown type.")
    size, number = _FIXED[kind]
    value = block[at : at + size]
    return (int.from_bytes(value, signed=True) if number else value), at + size


def encode(headers: Mapping[str, HeaderValue], payload: bytes) -> bytes:
    """Write a frame."""
    return encode_block(encode_headers(headers), payload)


def encode_headers(headers: Mapping[str, HeaderValue]) -> bytes:
    """Write the headers of a frame, for frames that have them in common."""
    return b"".join(
        b"%c%b%b" % (len(name.encode()), name.encode(), _write_value(value)) for name, value in headers.items()
    )


def encode_block(block: bytes, payload: bytes) -> bytes:
    """Write a frame whose headers are written already."""
    lengths = _LENGTHS.pack(_LEAST_BYTES + len(block) + len(payload), len(block))
    frame = b"%b%b%b%b" % (lengths, _CRC.pack(crc32(lengths)), block, payload)
    return frame + _CRC.pack(crc32(frame))


def _write_value(value: HeaderValue) -> bytes:
    if isinstance(value, bool):
        return b"%c" % (_TRUE if value else _FALSE)
    if isinstance(value, int):
        return b"%c%b" % (_LONG_TYPE, _LONG.pack(value))
    kind, data = (_STRING, value.encode()) if isinstance(value, str) else (_BYTES, value)
    return b"%c%b%b" % (kind, _SHORT.pack(len(data)), data)
