"""How tools are written down to be counted. Which tokens that gives is held against the API's own in another file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.tool_text import tool_text
from gateway.core.chat import Opaque, Tool

SCHEMA = {
    "type": "object",
    "properties": {
        "place": {
            "type": "object",
            "description": "Where",
            "properties": {"city": {"type": "string", "description": "Its name"}, "near": {"type": "boolean"}},
            "required": ["city"],
        },
        "days": {"type": "array", "items": {"type": "integer", "enum": [1, 2]}},
        "unit": {"anyOf": [{"type": "string", "enum": ["c", "f"]}, {"type": "null"}]},
    },
    "required": ["place"],
}


def test_tools_are_types_with_what_is_said_of_them():
    assert tool_text([Tool(name="weather", description="The weather", schema=SCHEMA), Tool(name="stop")]) == (
        "namespace functions {\n\n"
        "// The weather\n"
        "type weather = (_: {\n"
        "// Where\n"
        "place: {\n// Its name\ncity: string,\nnear?: boolean,\n},\n"
        "days?: 1 | 2[],\n"
        'unit?: "c" | "f" | null,\n'
        "}) => any;\n\n"
        "type stop = () => any;\n\n"
        "} // namespace functions"
    )


def test_the_older_layout_is_moved_in_and_says_less():
    text = tool_text([Tool(name="weather", schema=SCHEMA)], legacy=True)
    assert "// Where\nplace: {\n  city: string,\n  near?: boolean,\n},\n" in text
    assert "Its name" not in text


def test_without_a_word_on_any_property_an_object_is_one_line():
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}, "required": ["b"]}
    assert "type pair = (_: { a?: string, b: number }) => any;" in tool_text([Tool(name="pair", schema=schema)])


def test_a_provider_s_own_tool_is_left_out():
    opaque = Opaque(dialect="openai_chat", kind="web_search", document={})
    assert tool_text([Tool(opaque=opaque)]) == "namespace functions {\n\n} // namespace functions"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "items", "enum", "anyOf", "required", "description", "a"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_any_schema_is_written(schema: Any, legacy: bool):
    assert tool_text([Tool(name="x", schema=schema)], legacy=legacy).endswith("} // namespace functions")


@pytest.mark.parametrize("around", [lambda each: {"type": "array", "items": each}, lambda each: {"anyOf": [each]}])
@pytest.mark.parametrize("legacy", [False, True])
def test_lists_and_choices_without_end_are_cut(around: Callable[[Any], Any], legacy: bool):
    schema: Any = {"type": "string"}
    for _ in range(1000):
        schema = around(schema)
    text = tool_text([Tool(name="x", schema={"type": "object", "properties": {"a": schema}})], legacy=legacy)
    assert "any" in text
    assert len(text) < 1000


def test_a_schema_without_end_is_cut():
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "object", "properties": {"a": schema}}
    assert len(tool_text([Tool(name="x", schema=schema)])) < 1000
