from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import Media, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import MalformedRequest
from gateway.wire.gemini.chat_turns import read_system, read_turns


def test_contents_become_turns() -> None:
    turns = read_turns(
        [
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {"result": "b"}}}]},
            {"parts": {"text": "c"}},
        ]
    )
    assert turns == (
        Turn(role="user", parts=(Text(text="a"),)),
        Turn(role="assistant", parts=(ToolCall(id="", name="f", arguments="{}"),)),
        Turn(role="tool", parts=(ToolResult(call_id="", name="f", parts=(Text(text="b"),), document={"result": "b"}),)),
        Turn(role="user", parts=(Text(text="c"),)),
    )
    assert read_turns("hi") == (Turn(role="user", parts=(Text(text="hi"),)),)


@pytest.mark.parametrize(
    ("response", "parts", "failed"),
    [
        ({"output": "x"}, (Text(text="x"),), False),
        ({"error": "x"}, (Text(text="x"),), True),
        ({"a": 1, "b": 2}, (), False),
        ({"result": {"a": 1}}, (), False),
        (None, (), False),
    ],
)
def test_what_is_nothing_but_a_text_is_told_as_one(response: Any, parts: tuple[Any, ...], failed: bool) -> None:
    ((result,),) = (
        turn.parts for turn in read_turns([{"parts": [{"functionResponse": {"name": "f", "response": response}}]}])
    )
    assert isinstance(result, ToolResult)
    assert (result.parts, result.is_error, result.document) == (parts, failed, response)


def test_media_of_a_result_come_with_its_document() -> None:
    response = {"name": "f", "response": {"a": 1}, "parts": [{"inlineData": {"mimeType": "image/png", "data": "aa"}}]}
    ((result,),) = (turn.parts for turn in read_turns([{"parts": [{"functionResponse": response}]}]))
    assert isinstance(result, ToolResult)
    assert result.parts == (Text(text='{"a":1}'), Media(kind="image", media_type="image/png", data="aa"))


def test_the_system_speaks_first() -> None:
    assert read_system({"parts": [{"text": "a"}, {"text": "b"}]}) == (
        Turn(role="system", parts=(Text(text="a"), Text(text="b"))),
    )
    assert read_system("a") == (Turn(role="system", parts=(Text(text="a"),)),)
    assert read_system(None) == ()


@pytest.mark.parametrize(
    ("contents", "where"),
    [
        ([{"role": "narrator", "parts": []}], "contents[0].role"),
        (["a"], "contents[0].role"),
        ([{"parts": ["a"]}], "contents[0].parts[0]"),
        ([{"parts": [{"text": 3}]}], "contents[0].parts[0].text"),
        ([{"parts": [{"text": "a"}, {"functionCall": {"args": {}}}]}], "contents[0].parts[1].functionCall"),
        ([{"parts": [{"functionResponse": {"response": {}}}]}], "contents[0].parts[0].functionResponse"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_its_place(contents: Any, where: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read_turns(contents)
    assert refused.value.param == where
    with pytest.raises(MalformedRequest):
        read_system(3)
