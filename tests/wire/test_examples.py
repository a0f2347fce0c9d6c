from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.wire.captured import Unreadable, read_captured
from gateway.wire.examples import FORMATS, example_of

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
SYSTEM = {"role": "system", "content": "Be brief."}
HELLO = {"role": "user", "content": "hi"}


def openai(messages: list[Any], message: dict[str, Any], finish: str = "stop", **more: Any) -> Any:
    asked = {"model": "m", "messages": messages, "temperature": 0.3, "stream": True, **more}
    answered = {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}]}
    return read_captured("openai_chat", "/x", orjson.dumps(asked).decode(), orjson.dumps(answered).decode())


def anthropic(content: list[Any], **more: Any) -> Any:
    asked = {"model": "m", "max_tokens": 9, "messages": [HELLO], **more}
    answered = {"type": "message", "role": "assistant", "content": content, "stop_reason": "end_turn"}
    return read_captured("anthropic_messages", "/x", orjson.dumps(asked).decode(), orjson.dumps(answered).decode())


def test_a_conversation_in_both_formats_and_from_both_dialects() -> None:
    marked = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    for captured in (
        openai([SYSTEM, HELLO], {"content": "Hello."}),
        anthropic([thought, {"type": "text", "text": "Hello."}], system=marked),
    ):
        said = {"role": "assistant", "content": "Hello."}
        assert example_of(captured, "openai-finetune") == {"messages": [SYSTEM, HELLO, said]}
        assert example_of(captured, "anthropic-finetune") == {"system": "Be brief.", "messages": [HELLO, said]}


def test_tools_are_in_one_format_and_in_the_other_make_no_example() -> None:
    captured = openai([HELLO], {"content": None, "tool_calls": [CALL]}, "tool_calls", tools=TOOLS)
    found = example_of(captured, "openai-finetune")
    assert found == {"messages": [HELLO, {"role": "assistant", "content": None, "tool_calls": [CALL]}], "tools": TOOLS}
    with pytest.raises(Unreadable, match="no place"):
        example_of(captured, "anthropic-finetune")


def test_turns_that_do_not_alternate_are_none_for_who_asks_for_that() -> None:
    captured = openai([HELLO, {"role": "assistant", "content": "a"}], {"content": "b"})
    assert len(example_of(captured, "openai-finetune")["messages"]) == 3
    # Two in a row of one role are one turn there, with two texts; two that begin with the assistant are none.
    assert example_of(captured, "anthropic-finetune")["messages"][0] == HELLO
    with pytest.raises(Unreadable, match="no place"):
        example_of(openai([{"role": "assistant", "content": "a"}], {"content": "b"}), "anthropic-finetune")


@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize(
    ("captured", "reason"),
    [
        (openai([HELLO], {"content": "cut"}, "length"), "not whole"),
        (openai([HELLO], {"content": ""}), "says nothing"),
        (openai([HELLO], {"content": None, "refusal": "no"}), "not whole|says nothing"),
    ],
)
def test_what_nobody_should_be_trained_on_says_why(captured: Any, reason: str, wanted: Any) -> None:
    with pytest.raises(Unreadable, match=reason):
        example_of(captured, wanted)
