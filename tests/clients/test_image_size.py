from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.image_size import image_size


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + b"\x08\x06\0\0\0"
GIF = b"GIF89a" + struct.pack("<HH", 12, 34) + b"\0" * 20
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 7, 9)


@pytest.mark.parametrize(
    ("data", "size"), [(PNG, (640, 480)), (GIF, (12, 34)), (JPEG + b"\x03" + b"\0" * 12, (9, 7)), (b"", None)]
)
def test_the_size_is_read_from_the_beginning(data: bytes, size: tuple[int, int] | None):
    assert image_size(encoded(data)) == size
    assert image_size(encoded(data + b"\0" * 3_000_000) if data else "") == size


@pytest.mark.parametrize("data", ["no base64!", "AAAA", "A", "é"])
def test_what_is_no_image_has_no_size(data: str):
    assert image_size(data) is None


@given(st.binary(max_size=80), st.sampled_from([b"", PNG[:16], GIF[:6], JPEG[:20], b"RIFF\0\0\0\0WEBP", b"II*\0"]))
def test_garbage_never_breaks(data: bytes, start: bytes):
    size = image_size(encoded(start + data))
    assert size is None or min(size) > 0
