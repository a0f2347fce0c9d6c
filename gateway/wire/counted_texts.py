"""Texts as KServe's protocol sends them raw: each with its length, four little-endian bytes, before it.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_LENGTH = struct.Struct("<I")
# Where a tensor of a document that was taken apart keeps what lay behind it, as bytes: JSON can put none there.
RAW = "raw"


def texts_in(data: bytes) -> list[str]:
    """Read texts.

    Raises:
        ValueError: They are cut short, or no UTF-8.
    """
    texts: list[str] = []
    at = 0
    while at < len(data):
        start = at + _LENGTH.size
        if start > len(data):
            raise ValueError("a length is cut short")
        (size,) = _LENGTH.unpack_from(data, at)
        at = start + size
        if at > len(data):
            raise ValueError("a text is cut short")
        texts.append(data[start:at].decode())
    return texts


def readable_in(data: bytes) -> list[str]:
    """Read texts as well as they can be read: what is no UTF-8 is replaced, what has no lengths is one text."""
    pieces = _pieces(data)
    return [_readable(piece) for piece in ([data] if pieces is None else pieces)]


def edited_in(data: bytes, texts: Sequence[str]) -> bytes:
    """Write texts as :func:`readable_in` gave them and a rule left them: bytes as they came, but for edited ones."""
    pieces = _pieces(data)
    if pieces is None:
        return data if list(texts) == [_readable(data)] else text_bytes(texts)
    return _counted(
        [piece if text == _readable(piece) else text.encode() for piece, text in zip(pieces, texts, strict=True)]
    )


def _pieces(data: bytes) -> list[bytes] | None:
    pieces: list[bytes] = []
    at = 0
    while at + _LENGTH.size <= len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        start, at = at + _LENGTH.size, at + _LENGTH.size + size
        pieces.append(data[start:at])
    return pieces if at == len(data) else None


def _readable(piece: bytes) -> str:
    return piece.decode("utf-8", "replace")


def text_bytes(texts: Sequence[str]) -> bytes:
    """Write texts."""
    return _counted([text.encode() for text in texts])


def _counted(pieces: Sequence[bytes]) -> bytes:
    return b"".join([part for piece in pieces for part in (_LENGTH.pack(len(piece)), piece)])
