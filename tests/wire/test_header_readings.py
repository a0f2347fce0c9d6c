"""What was looked at is what the provider reads: its parser finds the headers that ours has let on."""

from __future__ import annotations

import http.client
import io
from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import GatewayError, MalformedRequest
from gateway.core.exchange import Headers
from gateway.listener import framing
from gateway.wire.headers import forward_request_headers

HOST, CREDENTIAL = b"api.example.com", b"authorization: Bearer ours\r\n"
# What must not reach a provider that is spoken to with our key, in any spelling that some server takes for it.
OURS = {
    "authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "content-length", "transfer-encoding", "te",
    "connection", "upgrade", "proxy-authorization", "x-weighbridge-tags", "x-weighbridge-policy",
    "x-forwarded-client-cert", "x-forwarded-for", "forwarded", "x-envoy-attempt-count", "expect",
    "x-http-method-override",
    "x-original-url",
}  # fmt: skip
HARMLESS = ("accept", "x-stainless-lang", "openai-organization", "anthropic-beta", "x_own", "x-a_b", "traceparent")


@st.composite
def names(draw: Any) -> bytes:
    name = draw(st.sampled_from([*sorted(OURS), *HARMLESS]))
    marks = draw(st.lists(st.sampled_from("-_"), min_size=name.count("-"), max_size=name.count("-")))
    for mark in marks:
        name = name.replace("-", "\0" if mark == "_" else "\1", 1)
    name = name.replace("\0", "_").replace("\1", "-")
    return "".join(sign.upper() if draw(st.booleans()) else sign for sign in name).encode()


values = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"close, accept", b"x-a_b", b"chunked", b"5", b"a\tb", b" padded ", b"\xff\xfe", b"", b"a\r\nb: c"]
    ),
)


class _Heard:
    def __init__(self) -> None:
        self.lines: list[tuple[bytes, bytes]] = []
        self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines.append((name, value))

    def on_message_complete(self) -> None:
        self.whole = True


def parsed(head: bytes) -> _Heard | None:
    heard = _Heard()
    try:
        httptools.HttpRequestParser(heard).feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    return heard


def taken(lines: list[tuple[bytes, bytes]]) -> Headers | None:
    """Take a client's header lines as the listener does; nothing where it would refuse them."""
    head = b"GET / HTTP/1.1\r\nhost: h\r\n" + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n"
    if framing.check_head(head) is not None:
        return None
    heard, found = parsed(head), Headers()
    if heard is None or any(framing.add_header(found, *line) is not None for line in heard.lines):
        return None
    return found


@given(st.lists(st.tuples(names(), values), max_size=8))
def test_two_parsers_find_what_was_let_on_and_nothing_else(lines: list[tuple[bytes, bytes]]) -> None:
    headers = taken(lines)
    if headers is None:
        return
    try:
        block = forward_request_headers(headers, drop=frozenset(), host=HOST, credential=CREDENTIAL)
    except GatewayError:
        return
    heard = parsed(b"POST /v1/x HTTP/1.1\r\n" + block + b"content-length: 0\r\n\r\n")
    assert heard is not None
    assert heard.whole
    ours = [(name.decode(), value.decode("latin-1").strip()) for name, value in heard.lines]
    read = http.client.parse_headers(io.BytesIO(block + b"content-length: 0\r\n\r\n"))
    assert [(name, value.strip()) for name, value in read.items()] == ours
    environment = [name.lower().replace("_", "-") for name, _ in ours]
    # Each once, and once only also where both signs are one.
    assert [name for name in environment if name in OURS] == ["authorization", "content-length"]
    assert environment.count("host") == 1
    for name, value in ours:
        if name not in {"host", "accept-encoding", "authorization", "content-length"}:
            assert headers[name.encode()].decode("latin-1").strip() == value


@pytest.mark.parametrize("name", [b"x_api_key", b"Authorization_", b"x-api_key", b"x_weighbridge-tags", b"proxy_x"])
def test_the_other_sign_hides_no_name(name: bytes) -> None:
    block = forward_request_headers({name.lower(): b"theirs"}, drop=frozenset(), host=HOST, credential=CREDENTIAL)
    assert (b"theirs" in block) is (name == b"Authorization_")


def test_what_a_connection_names_stays_here_with_either_sign() -> None:
    for named, name in ((b"x-a_b", b"x-a_b"), (b"x-a-b", b"x-a_b")):
        headers = {b"connection": named, name: b"theirs"}
        assert b"theirs" not in forward_request_headers(headers, drop=frozenset(), host=HOST, credential=CREDENTIAL)


def test_a_line_break_from_another_reader_goes_nowhere() -> None:
    with pytest.raises(MalformedRequest):
        forward_request_headers({b"x": b"a\r\nb: c"}, drop=frozenset(), host=HOST, credential=CREDENTIAL)
