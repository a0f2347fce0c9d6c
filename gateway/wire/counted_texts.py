"""Texts as KServe's protocol sends them raw: each with its length, four little-endian bytes, before it.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_LENGTH = struct.Struct("<I")


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


def text_bytes(texts: Sequence[str]) -> bytes:
    """Write texts."""
    pieces: list[bytes] = []
    for text in texts:
        raw = text.encode()
        pieces += (_LENGTH.pack(len(raw)), raw)
    return b"".join(pieces)
