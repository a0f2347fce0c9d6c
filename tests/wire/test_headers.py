from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.core.exchange import Headers
from gateway.wire.headers import (
    answer_headers,
    forward_request_headers,
    parse_tags,
    parse_traceparent,
    read_labels,
    with_span,
)

HOST = b"api.example.com"
NOTHING: frozenset[bytes] = frozenset()


def names(block: bytes) -> list[bytes]:
    return [line.partition(b": ")[0] for line in block.split(b"\r\n")[:-1]]


def forward(headers: Headers, *, drop: frozenset[bytes] = NOTHING, credential: bytes | None = None) -> bytes:
    return forward_request_headers(headers, drop=drop, host=HOST, credential=credential)


def test_ordinary_headers_pass_in_order_with_host_and_identity_coding() -> None:
    headers = {b"host": b"localhost:8080", b"x-stainless-lang": b"python", b"accept": b"*/*", b"accept-encoding": b"br"}
    assert forward(headers) == (
        b"x-stainless-lang: python\r\naccept: */*\r\naccept-encoding: identity\r\nhost: api.example.com\r\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"proxy-anything", b"te", b"trailer",
        b"transfer-encoding", b"upgrade", b"expect", b"content-length", b"x-weighbridge-session", b"x-weighbridge-tags",
        b"x-envoy-attempt-count", b"x-envoy-external-address", b"x-forwarded-for", b"x-forwarded-proto", b"forwarded",
    ],
)  # fmt: skip
def test_what_belongs_to_this_hop_stays_here(name: bytes) -> None:
    assert name not in names(forward({name: b"x", b"accept": b"*/*"}))


def test_headers_that_connection_names_stay_here() -> None:
    headers = {b"connection": b"close, X-Secret ,te", b"x-secret": b"1", b"x-open": b"2"}
    assert names(forward(headers)) == [b"x-open", b"accept-encoding", b"host"]


def test_our_credential_takes_the_place_of_every_credential_of_the_callers() -> None:
    headers = {
        b"authorization": b"Bearer wb-1",
        b"x-api-key": b"wb-1",
        b"api-key": b"wb-1",
        b"x-goog-api-key": b"wb-1",
        b"cookie": b"a=b",
    }
    block = forward(headers, credential=b"authorization: Bearer sk-ours\r\n")
    assert b"wb-1" not in block
    assert names(block) == [b"accept-encoding", b"host", b"authorization"]


def test_without_our_own_the_callers_credential_passes_but_not_what_was_consumed() -> None:
    headers = {b"authorization": b"Bearer sk-theirs", b"x-api-key": b"wb-1"}
    block = forward(headers, drop=frozenset((b"x-api-key",)))
    assert names(block) == [b"authorization", b"accept-encoding", b"host"]


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\ry", b"a\ny", b"a\0y", b"\r\n", b"x\r"])
def test_value_that_breaks_out_of_its_line_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedRequest):
        forward({b"x-a": value})
    with pytest.raises(InvalidAnswer):
        answer_headers({b"x-a": value})


def test_answer_keeps_what_clients_read_and_drops_what_belongs_to_the_hop() -> None:
    headers = {
        b"date": b"Thu, 01 Jan 2026 00:00:00 GMT",
        b"content-type": b"application/json",
        b"x-request-id": b"req_1",
        b"x-ratelimit-remaining-tokens": b"9",
        b"retry-after-ms": b"20",
        b"content-length": b"2",
        b"content-encoding": b"gzip",
        b"transfer-encoding": b"chunked",
        b"connection": b"x-hop",
        b"x-hop": b"1",
        b"alt-svc": b'h3=":443"',
        b"x-weighbridge-id": b"forged",
        b"proxy-authenticate": b"Basic",
    }
    assert names(answer_headers(headers)) == [
        b"date",
        b"content-type",
        b"x-request-id",
        b"x-ratelimit-remaining-tokens",
        b"retry-after-ms",
    ]


def test_answer_without_headers_is_an_empty_block() -> None:
    assert answer_headers({}) == b""


hostile = st.binary(max_size=12) | st.sampled_from([b"a\r\nb: c", b"\r", b"\n", b"\0", b"x", b""])
header_names = st.from_regex(rb"[a-z][a-z-]{0,8}", fullmatch=True) | st.sampled_from([b"connection", b"cookie", b"te"])


@given(st.dictionaries(header_names, hostile, max_size=6))
def test_no_header_ever_adds_a_line(headers: Headers) -> None:
    for build, refusal in ((forward, MalformedRequest), (answer_headers, InvalidAnswer)):
        try:
            block = build(headers)
        except refusal:
            continue
        lines = block.split(b"\r\n")
        assert lines[-1] == b""
        for line in lines[:-1]:
            name, _, value = line.partition(b": ")
            assert headers.get(name, value) == value
            assert not set(line) & set(b"\r\n\0")
        assert len(lines) - 1 <= len(headers) + 2


def test_tags_are_read_with_white_space_around_them() -> None:
    assert parse_tags(b"team=support, env = prod,note=a=b,empty=") == {
        "team": "support",
        "env": "prod",
        "note": "a=b",
        "empty": "",
    }
    assert parse_tags(b"  ") == {}
    assert parse_tags(",".join(f"k{n}=v" for n in range(16)).encode()) == {f"k{n}": "v" for n in range(16)}
    assert parse_tags(("k" * 64 + "=" + "é" * 256).encode()) == {"k" * 64: "é" * 256}


@pytest.mark.parametrize(
    "value",
    [
        b"team",
        b"=support",
        b"a=1,,b=2",
        b"a=1,a=2",
        b"a=\xff",
        "a=\u202ex".encode(),
        b"a=\x01",
        b"k" * 65 + b"=v",
        b"k=" + b"v" * 257,
        ",".join(f"k{n}=v" for n in range(17)).encode(),
    ],
)
def test_tags_beyond_the_bounds_or_out_of_form_are_refused(value: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_tags(value)


@given(st.binary(max_size=400))
def test_any_tags_header_is_refused_or_within_bounds(value: bytes) -> None:
    try:
        tags = parse_tags(value)
    except MalformedRequest:
        return
    assert len(tags) <= 16
    assert all(0 < len(name) <= 64 and len(content) <= 256 for name, content in tags.items())


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("form", "flags"),
    [(f"00-{TRACE}-{SPAN}-01", 1), (f" 00-{TRACE}-{SPAN}-00 ", 0), (f"cc-{TRACE}-{SPAN}-ff-what-comes", 255)],
)
def test_valid_traceparent_is_joined(form: str, flags: int) -> None:
    assert parse_traceparent(form.encode()) == (TRACE, SPAN, flags)


@pytest.mark.parametrize(
    ("parent", "state", "kept"),
    [
        (f"00-{TRACE}-{SPAN}-01", b"v=1,w=2", "v=1,w=2"),
        (f"00-{TRACE}-{SPAN}-01", b"v=" + b"1" * 511, ""),
        (f"00-{TRACE}-{SPAN}-01", b"v=\xff", ""),
        ("00-no-trace-01", b"v=1", ""),
    ],
)
def test_what_the_trace_came_through_is_kept_with_it(parent: str, state: bytes, kept: str) -> None:
    labels = read_labels({b"traceparent": parent.encode(), b"tracestate": state})
    assert labels is not None
    assert labels.trace_state == kept


@pytest.mark.parametrize(("came", "goes"), [("01", "01"), ("00", "00"), ("03", "03"), ("fd", "01")])
def test_our_span_goes_on_in_the_place_of_the_callers(came: str, goes: str) -> None:
    headers = {b"accept": b"*/*", b"traceparent": f"cc-{TRACE}-{SPAN}-{came}".encode(), b"tracestate": b"v=1"}
    labels = read_labels(headers)
    assert labels is not None
    ours = with_span(headers, labels, "1" * 16)
    assert ours == {**headers, b"traceparent": f"00-{TRACE}-{'1' * 16}-{goes}".encode()}


@pytest.mark.parametrize(
    "form",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01.",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_invalid_traceparent_starts_a_trace_of_our_own(form: str) -> None:
    assert parse_traceparent(form.encode()) is None
