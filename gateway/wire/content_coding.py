"""Content codings of answers: gzip and deflate, whole or as they arrive, bounded.

The gateway asks providers for ``identity``; this is for those that compress all the same. zlib is a pure function over
bytes, so it may stand here.
"""

from __future__ import annotations

import zlib

from gateway.core.errors import InvalidAnswer
from gateway.core.exchange import Headers

# What one answer may grow to. A few kilobytes of zeros would otherwise fill the memory.
MAX_DECODED_BYTES = 64 << 20

_MAX_MEMBERS = 64
_GZIP = 16 + zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_IDENTITY = frozenset((b"", b"identity"))
_KNOWN = frozenset((b"gzip", b"x-gzip", b"deflate"))


class ContentDecoder:
    """Takes the coding off one answer, piece by piece.

    Args:
        coding: Value of ``content-encoding``; empty for none.
        max_bytes: The most the answer may decode to.

    Raises:
        InvalidAnswer: The coding is not one of gzip, x-gzip, deflate, identity.
    """

    __slots__ = ("_head", "_inner", "_left", "_members", "_raw_tried", "_wbits")

    def __init__(self, coding: bytes, max_bytes: int = MAX_DECODED_BYTES) -> None:
        name = coding.strip().lower()
        self._wbits = 0
        if name not in _IDENTITY:
            if name not in _KNOWN:
                raise InvalidAnswer("The provider's answer has a content coding that was not asked for.")
            self._wbits = zlib.MAX_WBITS if name == b"deflate" else _GZIP
        self._left = max_bytes
        self._members = 1
        self._inner = zlib.decompressobj(self._wbits) if self._wbits else None
        # "deflate" means the zlib format; some servers send bare deflate under that name. The first bytes tell.
        self._head = b""
        self._raw_tried = name != b"deflate"

    def feed(self, data: bytes) -> bytes:
        """Decode the next bytes.

        Raises:
            InvalidAnswer: They are not of the coding, or the answer grows beyond its bound.
        """
        if self._inner is None:
            self._take(len(data))
            return data
        if not self._raw_tried:
            data = self._settle_format(data)
        parts: list[bytes] = []
        try:
            while data:
                if self._inner.eof:
                    if self._wbits != _GZIP:
                        raise InvalidAnswer("The provider's answer goes on after its compressed content.")
                    self._next_member()
                out = self._inner.decompress(data, self._left + 1)
                self._take(len(out))
                parts.append(out)
                data = self._inner.unconsumed_tail or self._inner.unused_data
        except zlib.error:
            raise InvalidAnswer("The provider's answer is not what its content coding says.") from None
        return b"".join(parts)

    def finish(self) -> None:
        """The body is whole.

        Raises:
            InvalidAnswer: The compressed content is cut short.
        """
        if self._inner is not None and not self._inner.eof:
            raise InvalidAnswer("The provider's answer ends within its compressed content.")

    def _next_member(self) -> None:
        # gzip is a sequence of members. Each new one copies what follows it, so their number is bounded.
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise InvalidAnswer("The provider's answer is compressed in too many pieces.")
        self._inner = zlib.decompressobj(_GZIP)

    def _settle_format(self, data: bytes) -> bytes:
        data = self._head + data
        if len(data) < 2:
            self._head = data
            return b""
        self._raw_tried = True
        # A zlib header: method 8, and the two bytes are a multiple of 31 (RFC 1950 §2.2).
        if data[0] & 0x0F != 8 or (data[0] << 8 | data[1]) % 31:
            self._wbits = _RAW
            self._inner = zlib.decompressobj(_RAW)
        return data

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise InvalidAnswer("The provider's answer is too large once decoded.")


def decode_content(headers: Headers, body: bytes) -> bytes:
    """Take the content coding off a whole answer.

    Args:
        headers: The answer's; only ``content-encoding`` is read. The caller must not pass it on with the result.
        body: As it came.

    Raises:
        InvalidAnswer: The coding is unknown, the body is not of it or cut short, or it grows beyond the bound.
    """
    coding = headers.get(b"content-encoding", b"")
    if not body or coding in _IDENTITY:
        return body
    decoder = ContentDecoder(coding)
    decoded = decoder.feed(body)
    decoder.finish()
    return decoded
