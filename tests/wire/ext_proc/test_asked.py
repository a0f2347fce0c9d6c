"""Envoy's messages as parts, whoever wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.ext_proc import asked
from gateway.wire.ext_proc.asked import Modes, Part, read_part
from gateway.wire.protobuf import Unreadable
from tests.support import ext_proc_messages as envoy

NAMES = st.text("abcdefgh-", min_size=1, max_size=200)
VALUES = st.text(st.characters(max_codepoint=255), max_size=300)


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.booleans())
def test_a_head_is_read_line_by_line(lines: dict[str, str], last: bool) -> None:
    for kind, name in [(asked.REQUEST_HEAD, "request_headers"), (asked.ANSWER_HEAD, "response_headers")]:
        part = read_part(envoy.head(name, lines, last=last))
        assert (part.kind, part.last, part.modes, part.observes) == (kind, last, None, False)
        assert part.lines == [(name.encode(), value.encode("latin-1")) for name, value in lines.items()]


@given(st.binary(max_size=300), st.booleans())
def test_a_piece_of_a_body_is_read(data: bytes, last: bool) -> None:
    for kind, name in [(asked.REQUEST_BODY, "request_body"), (asked.ANSWER_BODY, "response_body")]:
        assert read_part(envoy.body(name, data, last=last)) == Part(kind=kind, body=data, last=last)


def test_trailers_end_their_side() -> None:
    for kind, name in [(asked.REQUEST_TRAILERS, "request_trailers"), (asked.ANSWER_TRAILERS, "response_trailers")]:
        part = read_part(envoy.trailers(name, {"a": "b"}))
        assert part == Part(kind=kind, lines=[(b"a", b"b")], last=True)


def test_the_first_part_says_how_the_filter_is_configured() -> None:
    message = envoy.head("request_headers", {}, modes=(envoy.BUFFERED, envoy.STREAMED, True))
    assert read_part(message).modes == Modes(asked.BUFFERED, asked.STREAMED, eager=True)
    assert read_part(envoy.head("request_headers", {}, modes=(0, 0, False))).modes == Modes(0, 0, eager=False)


def test_text_values_of_older_envoys_are_read_too() -> None:
    request = envoy.CLASSES["ProcessingRequest"]()
    request.request_headers.headers.headers.add(key=":path", value="/v1")
    request.observability_mode = True
    part = read_part(request.SerializeToString())
    assert (part.lines, part.observes) == ([(b":path", b"/v1")], True)


@given(st.binary(max_size=80))
def test_garbage_is_unreadable_or_something(data: bytes) -> None:
    for message in (data, b"\x12" + bytes([len(data)]) + data):
        try:
            part = read_part(message)
        except Unreadable:
            continue
        assert part.kind in range(asked.REQUEST_HEAD, asked.ANSWER_TRAILERS + 1)


@pytest.mark.parametrize(
    "message",
    [b"", b"\x12\x04\x0a\x02\x12\x00", b"\x10\x01", b"\x12\x02\x08\x01", b"\x12\x04\x0a\x02\x0a\x09",
     b"\x12\x02\x0a\x00\x5a\x03\x0a\x01x", b"\x22\x02\x08\x01", b"\x12\x08\x0a\x06\x0a\xff\xff\xff\xff\xff"],
)  # fmt: skip
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(Unreadable):
        read_part(message)
