"""Schemas: what they accept, what of them is refused, and what a validation may cost."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import Misconfigured
from gateway.guards.schemas import Effort, Schema, TooLarge

NUMBER, TEXT = {"type": "number"}, {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (True, [1, None], []),
        (False, [], [1]),
        ({"properties": {"a": NUMBER}}, [{"a": 1}, {"b": "x"}, 5], [{"a": "x"}]),
        ({"properties": {"a": NUMBER}, "additionalProperties": False}, [{"a": 1}], [{"b": 1}]),
        (
            {"patternProperties": {"^x": NUMBER}, "additionalProperties": TEXT},
            [{"x1": 1, "a": "b"}],
            [{"x": "b"}, {"a": 1}],
        ),
        ({"propertyNames": {"maxLength": 2}}, [{"ab": 1}], [{"abc": 1}]),
        ({"items": NUMBER}, [[1, 2], "x"], [[1, "x"]]),
        ({"prefixItems": [NUMBER, TEXT], "items": False}, [[1], [1, "a"]], [["a"], [1, "a", 2]]),
        ({"contains": NUMBER}, [["a", 1], "x"], [["a"]]),
        ({"contains": NUMBER, "minContains": 2, "maxContains": 3}, [[1, 2]], [[1], [1, 2, 3, 4]]),
        ({"allOf": [NUMBER, {"minimum": 2}]}, [2], [1, "x"]),
        ({"anyOf": [NUMBER, TEXT]}, [1, "x"], [None]),
        ({"oneOf": [{"minimum": 1}, {"maximum": 2}]}, [0, 3], [1.5]),
        ({"not": TEXT}, [1], ["x"]),
        ({"if": TEXT, "then": {"minLength": 2}, "else": NUMBER}, ["ab", 1], ["a", None]),
        ({"if": TEXT}, ["a", 1], []),
        ({"then": False}, [1], []),
        ({"dependentSchemas": {"a": {"required": ["b"]}}}, [{}, {"a": 1, "b": 1}], [{"a": 1}]),
        ({"$defs": {"a/b": NUMBER}, "$ref": "#/$defs/a~1b"}, [1], ["x"]),
        (
            {"definitions": {"a": {"$ref": "#/definitions/b"}, "b": TEXT}, "items": {"$ref": "#/definitions/a"}},
            [["x"]],
            [[1]],
        ),
        ({"allOf": [NUMBER], "not": {"$ref": "#/allOf/0"}}, [], [1, "x"]),
        (
            {"properties": {"next": {"$ref": "#"}}, "required": ["a"]},
            [{"a": 1, "next": {"a": 1}}],
            [{"a": 1, "next": {}}],
        ),
        ({"title": "t", "description": "d", "default": 1, "type": "null"}, [None], [1]),
    ],
    ids=lambda part: str(part)[:40],
)
def test_schemas(schema: Any, good: list[Any], bad: list[Any]) -> None:
    compiled = Schema(schema)
    assert [value for value in good if compiled.broken(value)] == []
    assert [value for value in bad if not compiled.broken(value)] == []


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"unevaluatedProperties": False}, "#/unevaluatedProperties is not supported"),
        ({"properties": {"a": {"colour": 1}}}, "#/properties/a/colour is not supported"),
        ({"properties": []}, "#/properties is not as"),
        ({"allOf": []}, "#/allOf is not as"),
        ({"items": 5}, "#/items should be"),
        ({"type": "text"}, "#/type is not as"),
        ({"$ref": "https://a.example/schema"}, r"#/\$ref leads out"),
        ({"$ref": "#/$defs/a"}, r"#/\$ref leads nowhere"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "circle"),
        ({"pattern": r"(a)\1"}, "#/pattern"),
        ({"then": {"if": 1}, "if": True}, "#/then/if"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_place(schema: Any, where: str) -> None:
    with pytest.raises(Misconfigured, match=where):
        Schema(schema)


def test_the_first_keyword_that_is_broken_is_named() -> None:
    assert Schema({"properties": {"a": {"items": NUMBER}}}).broken({"a": ["x"]}) == "type"
    assert Schema({"additionalProperties": False}).broken({"a": 1}) == "additionalProperties"


def test_depth_and_steps_are_bounded() -> None:
    nested: Any = []
    for _ in range(100):
        nested = [nested]
    with pytest.raises(TooLarge):
        Schema({"items": {"$ref": "#"}}).broken(nested)
    with pytest.raises(TooLarge):
        Schema({"allOf": [{"$ref": "#"}]}).broken(1)
    effort = Effort()
    effort.steps = 1_000_000
    with pytest.raises(TooLarge):
        effort.spend(0)
