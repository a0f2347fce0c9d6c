"""A kept answer as bytes: format, checksum, value. What does not fit all three is no answer, and nothing is guessed."""

from __future__ import annotations

from hashlib import blake2b
from zlib import crc32

import msgspec

from gateway.core.cached import FORMAT, CachedAnswer

_HEAD_BYTES = 5
_GROUP_BYTES = 16
# What a second of a caller's time counts beside money, in billionths of a dollar: a thousandth of one.
_SECOND_NANOUSD = 1_000_000
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(CachedAnswer)


def pack(answer: CachedAnswer) -> bytes:
    """Write an answer as stores keep it."""
    value = _ENCODER.encode(answer)
    return b"%c%b%b" % (FORMAT, crc32(value).to_bytes(4, "big"), value)


def unpack(data: bytes) -> CachedAnswer | None:
    """Read an answer back; ``None`` where this is not one, not of our format, or not whole."""
    if len(data) <= _HEAD_BYTES or data[0] != FORMAT:
        return None
    value = memoryview(data)[_HEAD_BYTES:]
    if crc32(value) != int.from_bytes(data[1:_HEAD_BYTES], "big"):
        return None
    try:
        return _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def worth_of(answer: CachedAnswer) -> int:
    """Say what it saves to have an answer, in billionths of a dollar: what it cost, and the time that it took."""
    return max(answer.cost_nanousd or 0, 0) + max(answer.duration_ms, 1) * _SECOND_NANOUSD // 1000


def group_of(partition: str, fingerprint: bytes) -> bytes:
    """Digest of all that two questions must share to be neighbours."""
    return blake2b(fingerprint, digest_size=_GROUP_BYTES, key=partition.encode()[:64], person=b"wb-neighbours").digest()
