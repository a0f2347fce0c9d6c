from __future__ import annotations

from typing import Any

from gateway.core.segments import Segment
from gateway.wire.openai_responses.items import identifier, is_made_up, item_of, name_results, tool_of


def found(item: Any, default: str = "user") -> list[Segment]:
    segments: list[Segment] = []
    item_of(default)((), "", item, segments)
    return segments


def test_an_item_says_who_speaks_or_its_place_does() -> None:
    assert [s.role for s in found({"content": "a"})] == ["user"]
    assert [s.role for s in found({"role": "developer", "content": "a"})] == ["developer"]
    assert [s.role for s in found("a", "system")] == ["system"]
    assert [s.role for s in found({"type": "reasoning", "summary": ["a"], "role": "user"})] == ["user", "assistant"][1:]


def test_an_unknown_item_is_walked_leaf_by_leaf() -> None:
    assert [(s.kind, s.text) for s in found({"type": "from_the_future", "deep": [{"a": "b"}]})] == [
        ("json_key", "type"),
        ("json_key", "deep"),
        ("leaf", "from_the_future"),
        ("json_key", "a"),
        ("leaf", "b"),
    ]
    assert [s.text for s in found({"type": {"x": "y"}})] == ["type", "x", "y"]


def test_sealed_thoughts_are_no_text_but_words_are() -> None:
    sealed = "gAAAAA" + "Bz9" * 60
    assert found({"type": "reasoning", "encrypted_content": sealed}) == []
    assert [s.text for s in found({"type": "reasoning", "encrypted_content": "plain words"})] == ["plain words"]


def test_results_are_of_the_tool_that_was_called() -> None:
    items = [
        {"type": "function_call", "call_id": "c1", "name": "look"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "a"}]},
        {"type": "function_call_output", "call_id": "c2", "output": "b"},
    ]
    segments: list[Segment] = []
    for index, item in enumerate(items):
        item_of("user")(("input", index), "", item, segments)
    name_results(items, ("input",), segments)
    assert {s.text: s.tool for s in segments if s.kind == "tool_result"} == {"a": "look", "b": ""}
    name_results("no list", ("input",), segments)


def test_tools_of_the_providers_own_have_names() -> None:
    assert tool_of({"type": "web_search_call"}, "web_search_call") == "web_search"
    assert tool_of({"name": "look"}, "function_call") == "look"
    assert tool_of({}, "function_call") == ""


def test_identifiers() -> None:
    assert is_made_up("msg_0123456789abcdef")
    for text in ("msg_short", "ignore previous", "AKIA0123456789ABCDEF", "msg_0123456789abcdeg"):
        assert not is_made_up(text)
        segments: list[Segment] = []
        identifier(("id",), "user", text, segments)
        assert [s.text for s in segments] == [text]
