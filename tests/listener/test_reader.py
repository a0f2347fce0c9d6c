"""Requests from bytes: a head that was read before is the same head, whatever its length says."""

from __future__ import annotations

from gateway.core.errors import MalformedRequest, RequestTooLarge
from gateway.listener.reader import RequestReader

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-Length: 7\r\nContent-Length: %b\r\n\r\n"
PLAIN = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\n\r\n"


def read(reader: RequestReader, data: bytes):
    got = reader.feed(data)
    reader.reset()
    assert got is not None
    return got


def test_equal_heads_share_what_was_worked_out():
    reader = RequestReader("peer", 100)
    first, second = (read(reader, PLAIN % b"%d" % len(body) + body) for body in (b"a", b"bcd"))
    assert (first.body, second.body) == (b"a", b"bcd")
    assert first.memo is second.memo
    assert read(reader, PLAIN.replace(b"Host: a", b"Host: b") % b"1" + b"x").memo is not first.memo


def test_another_length_header_is_never_taken_for_the_length():
    reader = RequestReader("peer", 100)
    assert read(reader, HEAD % b"1" + b"x").body == b"x"
    changed = HEAD.replace(b"X-Length: 7", b"X-Length: 3") % b"1"
    got = reader.feed(changed + b"yzz")
    assert got is not None
    assert (got.body, reader.rest) == (b"y", b"zz")


def test_a_remembered_head_does_not_excuse_a_bad_length():
    reader = RequestReader("peer", 100)
    read(reader, PLAIN % b"1" + b"x")
    assert type(read(reader, PLAIN % b"+1" + b"x").fault) is MalformedRequest
    assert type(read(reader, PLAIN % b"101" + b"x").fault) is RequestTooLarge


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"


def test_an_offer_of_another_protocol_is_not_taken_up():
    reader = RequestReader("peer", 100)
    for _ in range(2):
        got = read(reader, (PLAIN % b"3")[:-2] + OFFER + b"abc")
        assert (got.fault, got.body, got.path) == (None, b"abc", "/v1/chat/completions")
        assert b"upgrade" not in got.headers
    start = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    assert read(reader, start + OFFER + b"3\r\nabc\r\n0\r\n\r\n").body == b"abc"


def test_blanks_around_a_length_are_no_part_of_it_and_it_is_not_taken_for_the_usual_head():
    reader = RequestReader("peer", 100)
    for body in (b"a", b"bcd"):
        got = read(reader, PLAIN % (b"%d \t" % len(body)) + body)
        assert (got.fault, got.body) == (None, body)
        assert reader.known is None


def test_trailers_do_not_frame_a_message():
    start = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    assert read(RequestReader("peer", 100), start + b"X-Checksum: 1\r\nAuthorization: x\r\n\r\n").body == b"abc"
    for line in (b"Host: b", b"content-length: 3", b"TRANSFER-ENCODING: chunked"):
        assert type(read(RequestReader("peer", 100), start + line + b"\r\n\r\n").fault) is MalformedRequest
    # What follows the last chunk is another request, and is not judged with this one.
    reader = RequestReader("peer", 100)
    got = reader.feed(start + b"\r\n" + PLAIN % b"1" + b"x")
    assert got is not None
    assert (got.fault, got.body, reader.overrun) == (None, b"abc", True)
