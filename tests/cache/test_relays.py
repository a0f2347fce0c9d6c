from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.relays import End, Head, Part, alive_part, end_part, head_part, piece_part, read_part

TOKEN = b"12345678"
HEAD = Head("openai_chat", b"text/event-stream", "x-1")
END = End(whole=True, cost_nanousd=None, took_ms=12.5)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (head_part(TOKEN, HEAD), Part(TOKEN, "head", head=HEAD)),
        (piece_part(TOKEN, b"data: {}\n\n"), Part(TOKEN, "piece", piece=b"data: {}\n\n")),
        (piece_part(TOKEN, b""), Part(TOKEN, "piece")),
        (alive_part(TOKEN), Part(TOKEN, "alive")),
        (end_part(TOKEN, END), Part(TOKEN, "end", end=END)),
    ],
)
def test_a_part_is_read_as_it_was_written(data: bytes, part: Part):
    assert read_part(data) == part


@pytest.mark.parametrize(
    "data",
    [
        b"",
        TOKEN,
        TOKEN + b"?",
        TOKEN + b"h",
        TOKEN + b"e\x93\xc3",
        TOKEN + b"h\x90",
        TOKEN + b"h\x93\xa1\xff\xc4\x00\xa0",
    ],
)
def test_what_is_no_part_is_none(data: bytes):
    assert read_part(data) is None


@given(st.binary(max_size=64), st.sampled_from([b"h", b"e", b"p", b"a", b""]))
def test_nothing_that_lies_there_raises(rest: bytes, kind: bytes):
    part: Any = read_part(TOKEN + kind + rest)
    assert part is None or part.token == TOKEN
