"""JSON as models read it, beside Python's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.json_text import bare, compact, dense, parsed, spaced

WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_spaced_is_what_python_writes(value: Any):
    assert spaced(value) == json.dumps(value)


@given(VALUES)
def test_compact_is_the_same_object_without_blanks(value: Any):
    text = json.dumps(value)
    expected = json.dumps(value, separators=(",", ":"), ensure_ascii=False) if isinstance(value, dict) else text
    assert json.loads(compact(text)) == value
    assert len(compact(text)) == len(expected)


@pytest.mark.parametrize("text", ["", "no json", '{"a": 1', "{}x"])
def test_what_is_no_json_stays_as_it_is(text: str):
    assert compact(text) == parsed(text) == text


def test_what_no_model_reads_of_a_schema_is_left_out():
    properties = {"format": {"type": "string", "format": "email"}, "required": {"type": "integer", "minimum": 3}}
    schema = {"type": "object", "properties": properties, "required": ["format"], "additionalProperties": False}
    read = {"format": {"type": "string"}, "required": {"type": "integer"}}
    assert bare(schema) == {"type": "object", "properties": read}
    assert bare({"anyOf": [schema, 3]}) == {"anyOf": [{"type": "object", "properties": read}, 3]}


def test_depth_has_an_end():
    value: Any = "é"
    for _ in range(100):
        value = {"a": [value]}
    assert spaced(value).count('"a"') == 100
    assert spaced(value).isascii()
    assert len(json.dumps(bare(value))) < 1000


def test_what_is_nested_deeper_than_can_be_written_is_taken_as_it_came():
    text = '{"a":' * 400 + "1" + "}" * 400
    assert compact(text) == text
    assert spaced(parsed(text)).startswith('{"a": ')
    assert dense(parsed(text)) == ""
