"""Frames, with the official client's own parser as the oracle."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable
from typing import Any
from zlib import crc32

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer, InvalidHeadersLength, InvalidPayloadLength
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidAnswer
from gateway.wire.aws_eventstream import (
    MAX_PAYLOAD_BYTES,
    Frame,
    FrameSplitter,
    HeaderValue,
    decode,
    encode,
    encode_block,
)

NAMES = st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode()) < 256)
VALUES = st.one_of(st.text(max_size=40), st.binary(max_size=40), st.booleans(), st.integers(-(2**63), 2**63 - 1))
HEADERS = st.dictionaries(NAMES, VALUES, max_size=5)
FRAMES = st.lists(st.tuples(HEADERS, st.binary(max_size=200)), max_size=5)
# A frame of the official client's own tests: every type that a header can have.
EVERY_TYPE = (
    b"\x01a\x00\x01b\x01\x01c\x02\xfd\x01d\x03\xff\xfe\x01e\x04\xff\xff\xff\xfc\x01f\x05"
    + (10**12).to_bytes(8)
    + b"\x01g\x06\x00\x02xy\x01h\x07\x00\x02hi\x01i\x08"
    + (1_700_000_000_000).to_bytes(8)
    + b"\x01j\x09"
    + bytes(range(16))
)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    at = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(at)]


def taken(pieces: Iterable[bytes]) -> list[Frame]:
    splitter = FrameSplitter()
    frames = [decode(raw) for piece in pieces for raw in splitter.feed(piece)]
    assert splitter.rest() == b""
    assert splitter.carry == 0
    return frames


def officially(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(event.headers, event.payload) for event in buffer]


@given(frames=FRAMES, places=st.lists(st.integers(0, 2_000), max_size=6))
def test_what_is_written_reads_back_however_it_was_cut(
    frames: list[tuple[dict[str, HeaderValue], bytes]], places: list[int]
) -> None:
    data = b"".join(encode(headers, payload) for headers, payload in frames)
    expected = [Frame(headers, payload) for headers, payload in frames]
    assert taken(cut(data, places)) == expected
    assert taken(data[at : at + 1] for at in range(len(data))) == expected
    assert [Frame(*each) for each in officially(data)] == expected


def test_every_type_of_header_is_read_as_the_official_client_does() -> None:
    data = encode_block(EVERY_TYPE, b"payload")
    ((headers, payload),) = officially(data)
    assert taken([data]) == [Frame(headers, payload)]
    assert headers["c"] == -3
    assert headers["j"] == bytes(range(16))


def test_a_header_that_is_no_text_is_no_text() -> None:
    frame = Frame({":event-type": "chunk", "n": 1}, b"")
    assert (frame.text(":event-type"), frame.text("n"), frame.text("x")) == ("chunk", "", "")


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255), places=st.lists(st.integers(0, 200), max_size=4))
def test_a_broken_byte_is_never_passed_over(at: int, flip: int, places: list[int]) -> None:
    first, second = encode({":event-type": "a"}, b'{"x":1}'), encode({":event-type": "b"}, b"{}")
    at %= len(first)
    broken = bytearray(first)
    broken[at] ^= flip
    splitter = FrameSplitter()
    given_out: list[bytes] = []

    def take() -> None:
        for piece in cut(second + bytes(broken) + second, places):
            given_out.extend(splitter.feed(piece))

    with pytest.raises(InvalidAnswer):
        take()
    assert given_out in ([], [second]), "what follows a broken frame is not believed"
    with pytest.raises((ChecksumMismatch, InvalidHeadersLength, InvalidPayloadLength)):
        officially(bytes(broken))


def prelude(total: int, headers: int) -> bytes:
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", crc32(lengths))


@pytest.mark.parametrize(
    ("total", "headers"),
    [(15, 0), (0, 0), (20, 20), (17 + MAX_PAYLOAD_BYTES, 0), (2**32 - 1, 0), (200_000, 140_000), (16, 2**31)],
)
def test_a_length_that_cannot_be_is_refused_before_anything_is_waited_for(total: int, headers: int) -> None:
    with pytest.raises(InvalidAnswer):
        list(FrameSplitter().feed(prelude(total, headers)))


@pytest.mark.parametrize(
    "block",
    [
        b"\x05a",
        b"\x01a",
        b"\x01a\x07\x00\x09x",
        b"\x01a\x63",
        b"\x01\xff\x00",
        b"\x01a\x07\x00\x01\xff",
        b"\x01a\x05\x00",
    ],
)
def test_headers_that_cannot_be_read_are_refused(block: bytes) -> None:
    (raw,) = FrameSplitter().feed(encode_block(block, b""))
    with pytest.raises(InvalidAnswer):
        decode(raw)


def test_many_small_pieces_cost_no_more_than_they_hold() -> None:
    """A frame of a megabyte in pieces of 16 bytes: the buffer is not copied for each."""
    data = encode({":event-type": "chunk"}, b"x" * 1_000_000)
    frames = taken(data[at : at + 16] for at in range(0, len(data), 16))
    assert len(frames[0].payload) == 1_000_000
