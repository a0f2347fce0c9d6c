from __future__ import annotations

import pytest

from gateway.core.errors import MalformedRequest
from gateway.wire.media_type import check_json, is_json

FORM = b"application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"content-type": b"application/json"},
        {b"content-type": b"Application/JSON; Charset=UTF-8"},
        {b"content-type": b'application/json;charset="utf8"'},
        {b"content-type": b"application/json; profile=x; charset=utf-8"},
        {b"content-type": FORM},
        {b"content-type": b"application/json", b"content-encoding": b"identity"},
        {b"content-encoding": b""},
    ],
)
def test_utf8_without_a_coding_is_what_is_read(headers: dict[bytes, bytes]) -> None:
    check_json(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {b"content-type": b"application/json; charset=utf-7"},
        {b"content-type": b"application/json; charset=utf-8; charset=utf-7"},
        {b"content-type": b"application/json; charset = 'utf-16'"},
        {b"content-type": b"application/json;\tcharset=latin-1"},
        {b"content-type": b"application/json; charset*=utf-7"},
        {b"content-type": b"application/json; charset"},
        {b"content-encoding": b"gzip"},
        {b"content-type": b"application/json", b"content-encoding": b"Deflate"},
        {b"content-encoding": b"identity, br"},
    ],
)
def test_a_body_that_others_would_decode_to_something_else_is_refused(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(MalformedRequest):
        check_json(headers)


@pytest.mark.parametrize("media", [b"", FORM, b"text/plain; charset=utf-8"])
@pytest.mark.parametrize("body", [b'{"a":1}', b" \r\n\t[1]", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"\0{\0}"])
def test_json_under_a_careless_type_is_read_as_json(media: bytes, body: bytes) -> None:
    assert is_json({b"content-type": media} if media else {}, body)


@pytest.mark.parametrize(
    ("media", "body"),
    [(b"", b"plain"), (FORM, b"a=1&b=2"), (b"text/plain", b"words {"), (b"application/octet-stream", b"{}"),
     (b"multipart/form-data; boundary=json", b"--json"), (b"application/jsonl", b"{}\n{}"), (b"application/json", b"")],
)  # fmt: skip
def test_what_is_no_json_is_not_read_as_json(media: bytes, body: bytes) -> None:
    assert not is_json({b"content-type": media} if media else {}, body)
