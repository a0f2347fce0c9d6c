from __future__ import annotations

from typing import Any

import pytest

from gateway.core.segments import Segment
from gateway.wire.block_calls import OpenCall, arguments_object, arguments_text, call_id, name_tools


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", {}),
        ("  ", {}),
        ('{"a":1}', {"a": 1}),
        ('{"a":1,"a":2}', None),
        ("[1]", None),
        ('{"a"', None),
        ('{"a":NaN}', None),
        ('"\ud800"', None),
    ],
)
def test_arguments_are_objects_read_strictly(text: str, read: Any) -> None:
    assert arguments_object(text) == read
    if read:
        assert arguments_object(arguments_text(read)) == read


def test_a_call_is_whole_when_its_arguments_are() -> None:
    call = OpenCall(1, "look", custom=False)
    assert not call.whole
    call.pieces.append('{"a"')
    assert not call.whole
    call.pieces.append(":1}")
    assert call.whole
    assert call.text == '{"a":1}'
    free = OpenCall(1, "look", custom=True)
    free.pieces.append("{}")
    assert not free.whole


def test_a_call_without_an_id_has_one_by_its_position() -> None:
    assert (call_id("a", 3), call_id("", 3)) == ("a", "call_3")


def test_texts_of_tools_are_named_by_their_calls() -> None:
    document: Any = {
        "messages": [
            {"content": [{"id": "c1", "name": "look", "input": "x"}, {"id": 5, "name": "odd"}, 7]},
            {"content": [{"for": "c1", "text": "sunny"}, {"for": "c2", "text": "rainy"}]},
            {"content": "bare"},
            None,
        ]
    }

    def segment(kind: Any, *path: str | int) -> Segment:
        return Segment(path=path, role="tool", kind=kind, text="x")

    found = [
        segment("tool_argument", "messages", 0, "content", 0, "input"),
        segment("tool_result", "messages", 1, "content", 0, "text"),
        segment("tool_result", "messages", 1, "content", 1, "text"),
        segment("text", "messages", 1, "content", 0, "text"),
    ]
    name_tools(
        document, document["messages"], found, refers="for", call=lambda block: (block.get("id"), block.get("name"))
    )
    assert [each.tool for each in found] == ["look", "look", "", ""]
