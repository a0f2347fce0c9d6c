from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.wire.strict_json import MAX_DEPTH, parse_body


class Duplicate(Exception):
    pass


def reference(body: bytes) -> Any:
    """What the standard library reads, keeping every member in sight."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise Duplicate
        return dict(pairs)

    return json.loads(body, object_pairs_hook=no_duplicates)


def string_token(draw: st.DrawFn) -> str:
    """A JSON string over an alphabet that is unkind to colon counting: colons, backslashes, and escapes of both."""
    pieces = [
        "a",
        "b",
        ":",
        "u003a",
        "\\\\",
        "\\u003a",
        "\\u003A",
        "\\u003b",
        "\\u005c",
        '\\"',
        "\\n",
        "é",
        "{",
        "}",
        "3a",
    ]
    return '"' + "".join(draw(st.lists(st.sampled_from(pieces), max_size=6))) + '"'


@st.composite
def documents(draw: st.DrawFn, depth: int = 3) -> str:
    """JSON text with any white space, objects of which may repeat a key under another spelling."""
    blank = draw(st.sampled_from(["", " ", "\n\t"]))
    kind = draw(st.integers(0, 5 if depth else 2))
    if kind == 0:
        return string_token(draw)
    if kind in (1, 2):
        return draw(st.sampled_from(["1", "-0", "true", "null", "1.50", "2e3", "18446744073709551615", '"::"']))
    if kind == 3:
        return "[" + f",{blank}".join(draw(st.lists(documents(depth - 1), max_size=3))) + "]"
    members: list[str] = []
    for _ in range(draw(st.integers(0, 4))):
        key = draw(st.sampled_from(['"a"', '"\\u0061"', '"b"', '":"', '"\\u003A"', '""', '"\\\\"', '"\\u005c"']))
        members.append(f"{key}{blank}:{blank}{draw(documents(depth - 1))}")
    return "{" + f"{blank},".join(members) + "}"


@settings(max_examples=600)
@given(documents())
def test_duplicates_are_refused_exactly_where_a_naive_reader_finds_them(text: str) -> None:
    body = text.encode()
    try:
        expected = reference(body)
    except Duplicate:
        with pytest.raises(MalformedRequest, match="duplicate key"):
            parse_body(body)
    else:
        assert parse_body(body) == expected


@given(st.binary(max_size=64) | st.text(alphabet='{}[]:,"\\u03aA19-.e ', max_size=40).map(str.encode))
def test_garbage_raises_nothing_undeclared_and_what_passes_is_read_alike(body: bytes) -> None:
    try:
        document = parse_body(body)
    except MalformedRequest:
        return
    assert document == reference(body)
    assert parse_body(orjson.dumps(document)) == document


@given(
    st.integers(-(2**70), 2**70) | st.sampled_from([2**64, 2**64 - 1, -(2**63), -(2**63) - 1]), st.sampled_from(" \n")
)
def test_integers_pass_exactly_within_64_bits(number: int, blank: str) -> None:
    body = f'{{"seed":{blank}{number}}}'.encode()
    if -(2**63) <= number < 2**64:
        assert parse_body(body) == {"seed": number}
    else:
        with pytest.raises(MalformedRequest, match="64 bits"):
            parse_body(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"[Infinity]",
        b"1e400",
        b"1" * 400,
        b'"\xff"',
        b'"\xc0\xae"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'{"\\udc00":1}',
        b'"\x00"',
        b"{} x",
        b"{}\x00",
        b"[1,]",
        b"01",
        b"{'a':1}",
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 5_000_000,
        '{"a":1}'.encode("utf-16"),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_body(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"b":2,"a":3}',
        b'[{"x":{"k":"v:w","k":"v"}}]',
        b'{"a":1,"\\u0061":2}',
        b'{"a":{"b":1},"a":":"}',
        b'{"a":"\\u003a","a":"::"}',
        b'{"":0,"":0}',
    ],
)
def test_duplicate_key_at_any_depth_is_refused_without_naming_it(body: bytes) -> None:
    with pytest.raises(MalformedRequest) as refused:
        parse_body(body)
    assert refused.value.public_message == "The body has a duplicate key in one of its objects."


@pytest.mark.parametrize(
    "body",
    [
        b'"\\u0000"',
        b'"\\ud83d\\ude00"',
        b'{"a":"\\\\u003a"}',
        b'{"a":"\\\\\\u003a:", "b": 1}',
        b'{ "t": "12345678901234567890123" }',
        b'{ "f": 0.12345678901234567890123 }',
        b'{ "f": -1234567890123456789012.5 }',
        b'"\x7f\xe2\x80\xa8"',
        b" [1 , 2]\r\n",
    ],
)
def test_unusual_but_unambiguous_json_passes(body: bytes) -> None:
    assert parse_body(body) == json.loads(body)


@pytest.mark.parametrize("deeper", [0, 1])
def test_nesting_is_accepted_as_deep_as_it_can_be_written_again(deeper: int) -> None:
    depth = MAX_DEPTH + deeper
    body = b"[" * depth + b"]" * depth
    if deeper:
        with pytest.raises(MalformedRequest, match="254"):
            parse_body(body)
    else:
        assert orjson.dumps(parse_body(body)) == body
