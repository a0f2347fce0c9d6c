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


def test_titles_stand_above_and_what_is_meant_by_default_behind():
    properties = {
        "city": {"type": "string", "title": "City"},
        "unit": {"type": "string", "enum": ["c", "f"], "title": "Unit", "description": "Which", "default": "c"},
        "days": {"type": "integer", "default": 3},
    }
    schema = {"type": "object", "title": "Arguments", "properties": properties, "required": ["city"]}
    assert (
        "type weather = (_: // Arguments\n//\n{\n"
        "// City\ncity: string,\n"
        '// Unit\n//\n// Which\nunit?: "c" | "f", // default: c\n'
        "days?: number, // default: 3\n"
        "}) => any;"
    ) in tool_text([Tool(name="weather", schema=schema)])


def test_parts_stand_in_their_places():
    parts = {"Day": {"type": "object", "title": "Day", "properties": {"name": {"type": "string"}}}}
    properties = {"first": {"$ref": "#/$defs/Day"}, "all": {"type": "array", "items": {"$ref": "#/$defs/Day"}}}
    schema = {"type": "object", "$defs": parts, "properties": properties}
    text = tool_text([Tool(name="plan", schema=schema)])
    assert "// Day\nfirst?: { name?: string },\n" in text
    assert "all?: // Day\n//\n{ name?: string }[],\n" in text


def test_parts_that_refer_to_themselves_or_many_times_over_are_cut():
    one = {f"p{number}": {"$ref": "#/$defs/Node"} for number in range(10)}
    parts = {"Node": {"type": "object", "properties": one}}
    schema = {"type": "object", "$defs": parts, "properties": {"root": {"$ref": "#/$defs/Node"}}}
    assert len(tool_text([Tool(name="tree", schema=schema)])) < 20_000


def test_several_types_are_any_of_them():
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null", 3]}, "b": {"type": 7}}}
    assert "(_: { a?: string | null, b?: any })" in tool_text([Tool(name="x", schema=schema)])


def test_a_description_s_lines_are_moved_in_by_one_step_less():
    assert "// Adds.\nArgs:\n    a: one\n" in tool_text(
        [Tool(name="x", description="Adds.\n    Args:\n        a: one")]
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
            st.sampled_from(
                [
                    *("type", "properties", "items", "enum", "anyOf", "required", "description", "a"),
                    *("$defs", "$ref", "title", "default"),
                ]
            ),
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
