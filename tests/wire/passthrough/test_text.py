from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.segments import pointer, walk_leaves
from gateway.wire.passthrough.text import segments, spoken, without_logprobs

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(documents)
def test_every_leaf_and_key_is_a_segment_as_the_plain_walk_has_them(document: Any) -> None:
    found = [(s.path, s.kind, s.text) for s in segments(document)]
    assert found == [(s.path, s.kind, s.text) for s in walk_leaves(document)]


def test_text_below_an_object_with_a_role_has_that_role() -> None:
    document = {
        "instructions": "a",
        "input": [
            {"role": "user", "content": [{"text": "b"}, {"role": "tool", "text": "c"}]},
            {"role": 4, "content": "d"},
        ],
    }
    roles = {s.text: s.role for s in segments(document) if s.text in "abcd"}
    assert roles == {"a": "", "b": "user", "c": "tool", "d": ""}


def test_media_is_left_out_and_text_that_poses_as_media_is_not() -> None:
    document = [
        "data:image/png;base64,aGVsbG8=",
        "data:text/plain;base64,aGVsbG8=",
        "data:image/png;base64,not base64 at all",
        "data:image/png,plain",
    ]
    assert [pointer(s.path) for s in segments(document)] == ["[1]", "[2]", "[3]"]


def test_a_bare_string_is_one_segment() -> None:
    assert [(s.path, s.text) for s in segments("all of it")] == [((), "all of it")]


@pytest.mark.parametrize("depth", [3, 20_000])
def test_depth_costs_no_stack(depth: int) -> None:
    document: Any = {"logprobs": 1, "text": "deep"}
    for _ in range(depth):
        document = [document]
    assert spoken(document) == "deep"
    copy = without_logprobs(document)
    for _ in range(depth):
        copy = copy[0]
    assert copy == {"text": "deep"}


def test_what_a_model_wrote_is_joined_in_order() -> None:
    answer = {
        "model": "gpt-4o",
        "instructions": "not this",
        "output": [
            {"type": "reasoning", "summary": [{"text": "Think. "}]},
            {"content": [{"type": "output_text", "text": "Say. "}, {"refusal": "No. "}]},
            {"type": "function_call", "name": "f", "arguments": "{}"},
        ],
        "tools": [{"description": "nor this"}],
    }
    assert spoken(answer) == "Think. Say. No. {}"
    assert spoken("plain") == "plain"
    assert spoken(None) == ""


@given(documents)
def test_without_logprobs_only_logprobs_are_missing_and_the_original_is_whole(document: Any) -> None:
    holder = {"logprobs": [1], "kept": document, "list": [{"logprobs": None, "x": document}]}
    before = repr(holder)
    copy = without_logprobs(holder)
    assert repr(holder) == before
    document = without_logprobs(document)
    assert copy == {"kept": document, "list": [{"x": document}]}
