"""The tools that a request offers, as the dialects write them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.guards.offered import chosen, offered, tool_name


@pytest.mark.parametrize(
    ("document", "names"),
    [
        (
            {"tools": [{"type": "function", "function": {"name": "a"}}, {"type": "custom", "custom": {"name": "b"}}]},
            "ab",
        ),
        ({"tools": [{"name": "a", "input_schema": {}}, {"type": "function", "name": "b"}]}, "ab"),
        ({"functions": [{"name": "a"}]}, "a"),
        ({"tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}]}, "ab"),
        ({"toolConfig": {"tools": [{"toolSpec": {"name": "a"}}]}}, "a"),
        ({"tools": []}, ""),
        ({"tools": {"a": 1}}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_definitions(document: Any, names: str) -> None:
    found = list(offered(document))
    assert [name for _, name in found] == list(names)
    for path, _ in found:
        here = document
        for step in path:
            here = here[step]


def test_tools_without_a_name() -> None:
    assert tool_name({"type": "web_search"}) == "web_search"
    assert tool_name({"type": "function"}) == tool_name({"function": {"name": 1}}) == tool_name("x") == ""


@pytest.mark.parametrize(
    ("choice", "paths"),
    [
        ("auto", []),
        ({"type": "function", "function": {"name": "a"}}, [("tool_choice",)]),
        ({"type": "tool", "name": "a"}, [("tool_choice",)]),
        ({"type": "any"}, []),
        ({"type": "web_search"}, [("tool_choice",)]),
        (
            {"type": "allowed_tools", "allowed_tools": {"tools": [{"function": {"name": "a"}}]}},
            [("tool_choice", "allowed_tools", "tools", 0)],
        ),
    ],
)
def test_what_a_request_tells_the_model_to_use(choice: Any, paths: list[Any]) -> None:
    assert [path for path, _ in chosen({"tool_choice": choice})] == paths
    assert list(chosen([])) == []
