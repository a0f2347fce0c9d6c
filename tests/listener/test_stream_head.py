from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.listener.reader import RequestReader
from gateway.listener.stream_head import StreamHead, answer_fields, check_trailers

ASKED = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a.example"), (b":path", b"/v1/x?y=z")]


def test_a_head_is_that_of_a_request_as_any_other() -> None:
    head = StreamHead([*ASKED, (b"x-a", b"1"), (b"content-length", b"3"), (b"host", b"a.example")], 10)
    assert (head.fault, head.method, head.path, head.query) == (None, "POST", "/v1/x", "y=z")
    assert head.headers == {b"host": b"a.example", b"x-a": b"1"}
    assert not head.wants_continue


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([*ASKED, (b"content-length", b"11")], 413),
        ([*ASKED, (b"content-length", b"1x")], 400),
        ([*ASKED, (b"transfer-encoding", b"chunked"), (b"content-length", b"1")], 400),
        ([*ASKED, (b"x-api-key", b"a"), (b"x-api-key", b"b")], 400),
        ([*ASKED, (b"x(a)", b"b")], 400),
        ([*ASKED, (b"x-a", b"b" * 65_536)], 431),
        ([*ASKED, *[(b"x-a", b"")] * 129], 431),
        ([(b":method", b"GET"), (b":path", b"/")], 400),
        ([(b":method", b"CONNECT"), (b":authority", b"a:1")], 400),
        ([*ASKED[:3], (b":path", b"/a\x7f")], 400),
    ],
)
def test_what_cannot_be_believed_is_refused(fields: list[tuple[bytes, bytes]], status: int) -> None:
    fault = StreamHead(fields, 10).fault
    assert fault is not None
    assert fault.status == status


NAMES = st.sampled_from([b"x-a", b"cookie", b"authorization", b"accept", b"x-weighbridge-tags", b"traceparent"])
VALUES = st.binary(max_size=8).map(lambda value: bytes(byte for byte in value if 0x21 <= byte < 0x7F))


@settings(max_examples=40)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.binary(max_size=8))
def test_both_protocols_understand_a_request_in_one_way(headers: list[tuple[bytes, bytes]], rest: bytes) -> None:
    target = b"/" + bytes(byte for byte in rest if 0x21 <= byte < 0x7F and byte != 0x23)
    head = StreamHead([*ASKED[:3], (b":path", target), *headers], 10)
    lines = b"".join(b"%b: %b\r\n" % each for each in headers)
    other = RequestReader("", 10).feed(b"POST %b HTTP/1.1\r\nhost: a.example\r\n%b\r\n" % (target, lines))
    assert other is not None
    if other.fault is not None or head.fault is not None:
        assert (type(other.fault), str(other.fault)) == (type(head.fault), str(head.fault))
        return
    assert (other.method, other.path, other.query) == (head.method, head.path, head.query)
    assert other.headers == head.headers


def test_trailers_may_not_say_how_a_request_is_framed() -> None:
    assert check_trailers([(b"x-checksum", b"1")]) is None
    assert isinstance(check_trailers([(b"content-length", b"1")]), MalformedRequest)


def test_lines_of_an_answer_become_fields() -> None:
    lines = b"Content-Type: text/plain\r\nx-a:b: c\r\nempty: \r\n"
    rest = [(b"content-type", b"text/plain"), (b"x-a", b"b: c"), (b"empty", b"")]
    assert answer_fields(200, lines) == [(b":status", b"200"), *rest]
    assert answer_fields(404, b"", 7) == [(b":status", b"404"), (b"content-length", b"7")]
    assert answer_fields(204, b"", 0) == [(b":status", b"204")]
