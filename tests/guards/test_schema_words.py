"""Keywords of JSON Schema that look at one value."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import Misconfigured
from gateway.guards.schema_words import MAKERS

CASES: list[tuple[str, Any, list[Any], list[Any]]] = [
    ("type", "integer", [1, 1.0], [1.5, "1", True]),
    ("type", ["string", "null"], ["a", None], [1]),
    ("enum", [1, {"a": [1]}], [1.0, {"a": [1.0]}], [True, {"a": []}]),
    ("const", None, [None], [0, False]),
    ("minimum", 2, [2, "x"], [1]),
    ("maximum", 2, [2, None], [2.1]),
    ("exclusiveMinimum", 2, [2.1], [2]),
    ("exclusiveMaximum", 2, [1.9], [2]),
    ("multipleOf", 0.01, [19.99, 0, "x"], [0.005]),
    ("multipleOf", 3, [9, True], [10]),
    ("minLength", 2, ["ab", "😀😀", 1], ["a"]),
    ("maxLength", 2, ["ab"], ["abc"]),
    ("pattern", "^a+$", ["aa", 1], ["b"]),
    ("minItems", 1, [[1], "x"], [[]]),
    ("maxItems", 1, [[1]], [[1, 2]]),
    ("minProperties", 1, [{"a": 1}], [{}]),
    ("maxProperties", 1, [{}], [{"a": 1, "b": 2}]),
    ("required", ["a"], [{"a": None}, []], [{}]),
    ("dependentRequired", {"a": ["b"]}, [{"a": 1, "b": 1}, {}, 1], [{"a": 1}]),
    ("uniqueItems", True, [[1, True, "1"], "aa"], [[1, 1.0], [{"a": 1}, {"a": 1}]]),
    ("uniqueItems", False, [[1, 1]], []),
    ("format", "date", ["2026-02-28", 1], ["2026-02-30", "26-1-1"]),
    ("format", "time", ["10:00:00Z", "10:00:00.1234567+02:00"], ["10:00", "25:00:00Z"]),
    ("format", "date-time", ["2026-01-02T10:00:00z"], ["2026-01-02", "2026-13-02T10:00:00Z"]),
    ("format", "email", ["a@b.example"], ["a b@c", "a"]),
    ("format", "ipv4", ["192.0.2.1"], ["192.0.2.256"]),
    ("format", "ipv6", ["::1"], ["::g"]),
    ("format", "uri", ["https://a.example/b"], ["a b", "/a"]),
    ("format", "uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000", "x"]),
]


@pytest.mark.parametrize(("word", "meant", "good", "bad"), CASES, ids=lambda part: str(part)[:30])
def test_keyword(word: str, meant: Any, good: list[Any], bad: list[Any]) -> None:
    check = MAKERS[word](meant)
    assert [value for value in good if not check(value)] == []
    assert [value for value in bad if check(value)] == []


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("type", "text"),
        ("type", []),
        ("enum", "a"),
        ("minimum", "1"),
        ("minLength", -1),
        ("multipleOf", 0),
        ("pattern", 1),
        ("required", "a"),
        ("required", [1]),
        ("uniqueItems", 1),
        ("format", "postcode"),
        ("pattern", r"(a)\1"),
    ],
)
def test_what_makes_no_sense_is_refused(word: str, meant: Any) -> None:
    with pytest.raises((ValueError, TypeError, Misconfigured)):
        MAKERS[word](meant)
