from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.gemini.chat_schema import json_schema


@pytest.mark.parametrize(
    ("schema", "turned"),
    [
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "INTEGER", "nullable": True}, {"type": ["integer", "null"]}),
        (
            {"type": "ARRAY", "items": {"type": "NUMBER"}, "maxItems": "3"},
            {"type": "array", "items": {"type": "number"}, "maxItems": 3},
        ),
        (
            {"type": "OBJECT", "properties": {"type": {"type": "STRING"}}, "propertyOrdering": ["type"]},
            {"type": "object", "properties": {"type": {"type": "string"}}},
        ),
        (
            {"any_of": [{"type": "NULL"}, {"type": "STRING", "enum": ["A"]}]},
            {"anyOf": [{"type": "null"}, {"type": "string", "enum": ["A"]}]},
        ),
        ({"type": "object", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
        (None, None),
        ([1], [1]),
    ],
)
def test_a_schema_of_googles_becomes_one_that_everybody_reads(schema: Any, turned: Any) -> None:
    assert json_schema(schema) == turned
    assert json_schema(turned) == turned


def test_what_is_nested_without_end_is_left_alone() -> None:
    deep: Any = {"type": "STRING"}
    for _ in range(200):
        deep = {"type": "ARRAY", "items": deep}
    assert json_schema(deep)["type"] == "array"
