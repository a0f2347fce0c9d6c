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
    texts: list[str] = []
    at = 0
    while at + _LENGTH.size <= len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        start, at = at + _LENGTH.size, at + _LENGTH.size + size
        texts.append(data[start:at].decode("utf-8", "replace"))
    return texts if at == len(data) else [data.decode("utf-8", "replace")]


def text_bytes(texts: Sequence[str]) -> bytes:
    """Write texts."""
    pieces: list[bytes] = []
    for text in texts:
        raw = text.encode()
        pieces += (_LENGTH.pack(len(raw)), raw)
    return b"".join(pieces)
