from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidAnswer
from gateway.wire.sse import EventSplitter, ServerSentEvent, SSEDecoder, encode, parse_event
from tests.support.streams import cut, cuttings, single_bytes

MIXED = (
    b'\xef\xbb\xbfevent: start\r\ndata: {"a":1}\r\n\r\n'
    b": keep-alive\n\ndata: one\ndata: two\r\rdata:\xc3\xa9\nid: 3\nretry: 10\n\n\ndata\n\ndata: [DONE]\r\n\r\n"
)
EVENTS = [
    ServerSentEvent(b'{"a":1}', b"start"),
    ServerSentEvent(b"one\ntwo"),
    ServerSentEvent("é".encode()),
    ServerSentEvent(b"[DONE]"),
]


def decode(pieces: list[bytes]) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def split(pieces: list[bytes]) -> list[bytes]:
    splitter = EventSplitter()
    events = [event for piece in pieces for event in splitter.feed(piece)]
    rest = splitter.rest()
    return [*events, rest] if rest else events


def test_whole_and_byte_by_byte_agree() -> None:
    assert decode([MIXED]) == EVENTS
    assert decode(single_bytes(MIXED)) == EVENTS


@given(cuttings(len(MIXED)))
def test_any_cut_gives_the_same_events(marks: list[int]) -> None:
    assert decode(cut(MIXED, marks)) == EVENTS


@given(cuttings(len(MIXED)))
def test_splitting_loses_and_moves_no_byte_but_the_byte_order_mark(marks: list[int]) -> None:
    assert b"".join(split(cut(MIXED, marks))) == MIXED[3:]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@given(marks=cuttings(60))
def test_each_event_comes_with_the_empty_line_that_ends_it(end: bytes, marks: list[int]) -> None:
    events = [b"data: 1" + end + end, b": c" + end + end, b"event: x" + end + b"data: 2" + end + end]
    assert split(cut(b"".join(events), marks)) == events


@given(st.lists(st.binary(), max_size=8))
def test_garbage_is_split_and_read_without_an_error(pieces: list[bytes]) -> None:
    decode(pieces)
    assert b"".join(split(pieces)) == b"".join(pieces).removeprefix(b"\xef\xbb\xbf")


@given(
    st.binary(min_size=1).filter(lambda data: b"\r" not in data), st.sampled_from([b"message", b"delta"]), cuttings(90)
)
def test_what_was_encoded_is_decoded_again(data: bytes, name: bytes, marks: list[int]) -> None:
    event = ServerSentEvent(data, name)
    decoded = decode(cut(encode(event), marks))
    # By the format, an event whose data is empty is none.
    assert decoded == [event] or data == b""


def test_event_without_data_is_none() -> None:
    assert parse_event(b": ping\n\n") is None
    assert parse_event(b"event: x\nid: 1\n\n") is None
    for data in (b"data:\n\n", b"data: \n\n", b"\ndata: \n\n", b"data: \r\n\r\n"):
        assert parse_event(data) is None


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_a_line_feed_behind_an_event_that_has_left_follows_it_at_once(end: bytes) -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n\r") == [b"data: 1\n\r"]
    assert splitter.feed(b"\ndata: 2" + end + end) == [b"\n", b"data: 2" + end + end]
    assert splitter.rest() == b""


def test_unfinished_event_is_bounded() -> None:
    splitter = EventSplitter(max_event_bytes=16)
    assert splitter.feed(b"data: 12345678\n\n") == [b"data: 12345678\n\n"]
    splitter.feed(b"data: 1234567890")
    with pytest.raises(InvalidAnswer):
        splitter.feed(b"1")


def test_rest_is_given_once() -> None:
    splitter = EventSplitter()
    splitter.feed(b"data: 1\n\ndata: 2")
    assert splitter.rest() == b"data: 2"
    assert splitter.rest() == b""


@pytest.mark.parametrize("piece", [b"x", b"x\r"])
def test_many_tiny_pieces_cost_linear_time(piece: bytes) -> None:
    def seconds(count: int) -> float:
        splitter = EventSplitter()
        start = time.thread_time()
        for _ in range(count):
            splitter.feed(piece)
            splitter.feed(b"y")
        return time.thread_time() - start

    small = min(seconds(5_000) for _ in range(3))
    large = min(seconds(40_000) for _ in range(3))
    # Eight times the pieces; quadratic cost would be sixty-four times.
    assert large < 30 * small
