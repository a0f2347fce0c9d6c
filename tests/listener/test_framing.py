from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import GatewayError, HeadersTooLarge, MalformedRequest, RequestTooLarge
from gateway.core.exchange import Headers
from gateway.listener.framing import (
    MAX_HEAD_BYTES,
    MAX_HEADER_LINES,
    add_header,
    check_head,
    check_length,
    check_partial,
    too_large,
)

START = b"POST /v1/x HTTP/1.1\r\n"
TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(str.encode)
VALUE = st.text("abc XYZ0123456789:;,=/", max_size=30).map(str.encode)
LINES = st.lists(st.tuples(TOKEN, VALUE), max_size=10)


def head(*lines: bytes) -> bytes:
    return START + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


@given(LINES)
def test_a_plain_head_is_let_through(lines: list[tuple[bytes, bytes]]):
    assert check_head(head(*(name + b": " + value for name, value in lines))) is None


@given(LINES.filter(bool), st.data())
def test_a_stray_line_end_or_nul_anywhere_in_a_head_is_refused(lines: list[tuple[bytes, bytes]], data: Any):
    whole = head(*(name + b": " + value for name, value in lines))
    at = data.draw(st.integers(0, len(whole)))
    stray = data.draw(st.sampled_from([b"\r", b"\n", b"\0"]))
    assert isinstance(check_head(whole[:at] + stray + whole[at:]), MalformedRequest)


@pytest.mark.parametrize("fold", [b" ", b"\t", b" \t x"])
def test_a_folded_line_is_refused(fold: bytes):
    assert isinstance(check_head(head(b"a: b", fold + b"c: d")), MalformedRequest)


@pytest.mark.parametrize(
    "line",
    [b"POST /v1/x", b"POST /v1/x HTTP/2.0", b"PRI * HTTP/2.0", b"POST /v1/x HTTP/1.2", b"POST  /v1/x HTTP/1.1",
     b"POST /v1/x  HTTP/1.1", b"POST /v1/x y HTTP/1.1", b"POST\t/v1/x HTTP/1.1", b"POST /v1/x http/1.1", b" HTTP/1.1",
     b"POST /v1/x HTTP/1.1 ", b""],
)  # fmt: skip
def test_a_request_line_has_three_parts_and_a_known_version(line: bytes):
    assert isinstance(check_head(line + b"\r\nHost: a\r\n\r\n"), MalformedRequest)


def test_the_version_before_is_known():
    assert check_head(b"POST /v1/x HTTP/1.0\r\n\r\n") is None


def test_the_bounds_are_what_they_say():
    assert check_head(head(*[b"a: b"] * MAX_HEADER_LINES)) is None
    assert isinstance(check_head(head(*[b"a: b"] * (MAX_HEADER_LINES + 1))), HeadersTooLarge)
    room = MAX_HEAD_BYTES - len(head(b"a: "))
    assert check_head(head(b"a: " + b"x" * room)) is None
    assert isinstance(check_head(head(b"a: " + b"x" * (room + 1))), HeadersTooLarge)


def test_a_part_of_a_head_is_refused_as_soon_as_it_can_only_be_wrong():
    assert check_partial(START + b"a: b\r\n") is None
    assert check_partial(START + b"a: b\r") is None
    assert isinstance(check_partial(START + b"a: b\n\n"), MalformedRequest)
    assert isinstance(check_partial(START + b"a: b\r\r"), MalformedRequest)
    assert isinstance(check_partial(START + b"a: b\rc"), MalformedRequest)
    assert isinstance(check_partial(START + b"a: b\n"), MalformedRequest)
    assert check_partial(b"x" * MAX_HEAD_BYTES) is None
    assert isinstance(check_partial(b"x" * (MAX_HEAD_BYTES + 1)), HeadersTooLarge)


@given(LINES)
def test_no_part_of_a_good_head_is_refused(lines: list[tuple[bytes, bytes]]):
    whole = head(*(name + b": " + value for name, value in lines))
    assert all(check_partial(whole[:end]) is None for end in range(len(whole)))


def test_names_are_lowered_and_repeats_joined():
    headers: Headers = {}
    for name, value in [(b"Accept", b"a"), (b"ACCEPT", b"b"), (b"Cookie", b"x=1"), (b"cookie", b"y=2")]:
        assert add_header(headers, name, value) is None
    assert headers == {b"accept": b"a, b", b"cookie": b"x=1; y=2"}


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "Authorization", "X-Api-Key", "api-key", "traceparent",
     "x-goog-api-key",
     "Content-Type", "x-weighbridge-tags", "x-weighbridge-session", "x-weighbridge-cache", "x-weighbridge-policy"],
)  # fmt: skip
def test_framing_and_credentials_may_not_come_twice(name: str):
    headers: Headers = {}
    assert add_header(headers, name.encode(), b"1") is None
    error = add_header(headers, name.upper().encode(), b"1")
    assert isinstance(error, MalformedRequest)
    assert headers == {name.lower().encode(): b"1"}, "the first one stays"


def judged(http_1_0: bool = False, **headers: bytes) -> GatewayError | None:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return check_length(named, http_1_0=http_1_0, max_body_bytes=1000)


@pytest.mark.parametrize("length", [b"0", b"1000", b"0001000"])
def test_a_length_within_the_bound_is_taken(length: bytes):
    assert judged(host=b"a", content_length=length) is None


@pytest.mark.parametrize(
    "length", [b"", b"+5", b"-5", b" 5", b"5 ", b"5,5", b"0x5", b"5.0", b"1_0", b"\xb2", b"9" * 19, "٣".encode()]
)
def test_a_length_that_is_no_plain_number_is_refused(length: bytes):
    assert isinstance(judged(host=b"a", content_length=length), MalformedRequest)


@pytest.mark.parametrize("length", [b"1001", b"9" * 18])
def test_a_body_over_the_bound_is_refused_before_it_comes(length: bytes):
    error = judged(host=b"a", content_length=length)
    assert isinstance(error, RequestTooLarge)
    assert error.public_message == too_large(1000).public_message
    assert "1000" in error.public_message


@pytest.mark.parametrize(
    ("coding", "good"),
    [
        (b"chunked", True),
        (b"Chunked", True),
        (b"gzip, chunked", False),
        (b"chunked, chunked", False),
        (b"identity", False),
        (b"\x0bchunked", False),
        (b"", False),
    ],
)
def test_the_only_transfer_coding_is_chunked(coding: bytes, good: bool):
    assert (judged(host=b"a", transfer_encoding=coding) is None) == good


def test_length_and_coding_exclude_each_other_and_http_1_0_has_no_chunks():
    assert isinstance(judged(host=b"a", content_length=b"5", transfer_encoding=b"chunked"), MalformedRequest)
    assert isinstance(judged(http_1_0=True, transfer_encoding=b"chunked"), MalformedRequest)


def test_a_host_is_needed_from_http_1_1_on():
    assert judged(http_1_0=True) is None
    assert isinstance(judged(), MalformedRequest)
    assert isinstance(judged(host=b""), MalformedRequest)
