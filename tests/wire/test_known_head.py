"""Answers whose heads are known: read as the parser would read them, or not at all."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import Headers
from gateway.wire.headers import answer_headers
from gateway.wire.known_head import KnownHead, remember

HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"X-Request-Id: req_1\r\nSet-Cookie: a=b\r\nContent-Length: 4\r\nConnection: keep-alive"
)


class Parsed:
    """What httptools makes of an answer."""

    def __init__(self, data: bytes) -> None:
        self.headers: Headers = {}
        self.body = b""
        self.whole = 0
        parser = httptools.HttpResponseParser(self)
        parser.feed_data(data)
        self.status = parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.headers[name] = self.headers[name] + b", " + value if name in self.headers else value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole += 1


def whole(head: bytes, body: bytes = b'{""}') -> bytes:
    return head + b"\r\n\r\n" + body


def known(head: bytes = HEAD) -> KnownHead:
    made = remember(200, head, Parsed(whole(head)).headers)
    assert made is not None
    return made


def as_parsed(data: bytes, got: Any) -> None:
    parsed = Parsed(data)
    assert parsed.whole == 1
    headers, block, body = got
    assert int(parsed.headers.pop(b"content-length")) == len(body)
    assert (list(headers.items()), body) == (list(parsed.headers.items()), parsed.body)
    assert block == answer_headers(parsed.headers)


def test_an_equal_head_and_one_with_other_values_are_read_as_the_parser_reads_them():
    head = known()
    changed = HEAD.replace(b"req_1", b"req_2 \xe4").replace(b"00:00:00", b"00:00:01").replace(b"a=b", b"")
    for data in (whole(HEAD), whole(changed), whole(changed.replace(b"Length: 4", b"Length:  11"), b"hello world")):
        as_parsed(data, head.read(data))
    as_parsed(whole(HEAD), head.read(whole(HEAD)))


@pytest.mark.parametrize(
    "data",
    [
        whole(HEAD)[:-1],
        whole(HEAD) + b"x",
        HEAD,
        b"",
        whole(HEAD.replace(b"200", b"201")),
        whole(HEAD.replace(b"HTTP/1.1", b"HTTP/1.0")),
        whole(HEAD.replace(b"application/json", b"text/event-stream")),
        whole(HEAD.replace(b"keep-alive", b"close")),
        whole(HEAD.replace(b"X-Request-Id", b"Content-Encoding")),
        whole(HEAD.replace(b"X-Request-Id: req_1", b"Transfer-Encoding: chunked")),
        whole(HEAD.replace(b"Length: 4", b"Length: +4")),
        whole(HEAD.replace(b"Length: 4", b"Length: 4, 4")),
        whole(HEAD.replace(b"Length: 4", b"Length: 5")),
        whole(HEAD.replace(b"req_1", b"re\rq")),
        whole(HEAD.replace(b"req_1", b"re\nq")),
        whole(HEAD.replace(b"req_1", b"re\0q")),
        whole(HEAD.replace(b"X-Request-Id: req_1", b" folded")),
        whole(HEAD.replace(b"X-Request-Id: req_1", b"X-Request-Id : req_1")),
        whole(HEAD + b"\r\nContent-Length: 4"),
        whole(HEAD.replace(b"\r\nX-Request-Id: req_1", b"")),
    ],
)
def test_what_is_not_whole_or_not_like_it_is_left_to_the_parser(data):
    assert known().read(data) is None


@pytest.mark.parametrize(
    ("status", "head"),
    [
        (204, HEAD.replace(b"200 OK", b"204 No Content")),
        (200, HEAD.replace(b"Content-Length: 4\r\n", b"")),
        (200, HEAD.replace(b"Set-Cookie: a=b", b"Set-Cookie: a=b\r\nSet-Cookie: c=d")),
        (200, HEAD.replace(b"HTTP/1.1", b"HTTP/1.0")),
        (200, b"HTTP/1.1 100 Continue"),
    ],
)
def test_only_heads_that_their_bytes_tell_apart_are_remembered(status, head):
    body = b"" if status == 204 or head.endswith(b"Continue") else b"1234"
    parsed = Parsed(whole(head, body)).headers or {b"content-length": b"0"}
    assert remember(status, head, parsed) is None


def test_what_is_for_this_connection_alone_is_not_shown_to_the_client():
    head = HEAD.replace(b"keep-alive", b"x-hop").replace(b"X-Request-Id", b"X-Hop")
    headers, block, _ = known(head).read(whole(head.replace(b"req_1", b"req_2"))) or ({}, b"", b"")
    assert headers[b"x-hop"] == b"req_2"
    assert b"x-hop" not in block


@given(st.lists(st.tuples(st.integers(0, len(HEAD) - 1), st.binary(max_size=3)), max_size=3), st.binary(max_size=6))
def test_whatever_changes_the_known_way_never_says_what_the_parser_does_not(edits, body):
    head = HEAD
    for at, replaced in edits:
        head = head[:at] + replaced + head[at + len(replaced) :]
    data = whole(head, body)
    got = known().read(data)
    if got is not None:
        as_parsed(data, got)
