from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.listener import reply


class Read:
    """What a client's parser makes of the bytes."""

    def __init__(self, data: bytes) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False
        self.reason = b""
        parser = httptools.HttpResponseParser(self)
        parser.feed_data(data)
        self.status = parser.get_status_code()

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name not in self.headers
        self.headers[name] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK\r\n"),
        (404, b"HTTP/1.1 404 Not Found\r\n"),
        (499, b"HTTP/1.1 499 \r\n"),
        (529, b"HTTP/1.1 529 \r\n"),
    ],
)
def test_a_status_has_its_phrase_where_there_is_one(status: int, line: bytes):
    assert reply.status_line(status) == line


def test_a_whole_answer_is_these_bytes():
    assert reply.whole(200, b"a: b\r\n", b"body", close=False) == (
        b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 4\r\n\r\nbody"
    )
    assert reply.whole(503, b"", b"", close=True) == (
        b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )


def test_an_answer_to_head_has_the_length_and_not_the_body():
    assert reply.whole(200, b"", b"body", close=False, head_only=True).endswith(b"content-length: 4\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_can_have_no_body_has_none_and_no_length(status: int):
    data = reply.whole(status, b"a: b\r\n", b"lost", close=False)
    assert data.endswith(b"a: b\r\n\r\n")
    assert b"length" not in data


@given(st.sampled_from([200, 201, 400, 429, 500, 529]), st.binary(max_size=200), st.booleans())
def test_a_client_reads_a_whole_answer_as_it_was_meant(status: int, body: bytes, close: bool):
    read = Read(reply.whole(status, b"x: y\r\n", body, close=close))
    assert (read.status, read.body, read.complete, read.headers[b"x"]) == (status, body, True, b"y")
    assert (b"connection" in read.headers) == close


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6))
def test_a_client_reads_a_stream_as_it_was_meant(pieces: list[bytes]):
    head = reply.stream_head(200, b"x: y\r\n", close=False, chunked=True)
    read = Read(head + b"".join(map(reply.chunk, pieces)) + reply.LAST_CHUNK)
    assert (read.body, read.complete) == (b"".join(pieces), True)


def test_a_stream_without_chunks_says_that_it_ends_with_the_connection():
    head = reply.stream_head(200, b"", close=True, chunked=False)
    assert head == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
