"""Texts of tools know their tool, in requests and answers."""

from __future__ import annotations

from typing import Any

from gateway.wire.openai_chat import DIALECT


def called(name: str, identity: str, kind: str = "function") -> dict[str, Any]:
    body = {"name": name, "arguments": '{"a":"b"}'} if kind == "function" else {"name": name, "input": "raw"}
    return {"id": identity, "type": kind, kind: body}


def tools(segments: Any) -> list[tuple[str, str, str]]:
    return [(each.kind, each.text, each.tool) for each in segments if each.kind.startswith("tool_") and each.tool]


def test_arguments_and_results_in_a_request() -> None:
    messages = [
        {"role": "assistant", "tool_calls": [called("mail", "c1"), called("shell", "c2", "custom")]},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "sent"}]},
        {"role": "assistant", "function_call": {"name": "old", "arguments": "{}"}},
        {"role": "function", "name": "old", "content": "42"},
        {"role": "tool", "tool_call_id": "nobody", "content": "lost"},
    ]
    assert tools(DIALECT.segments({"messages": messages})) == [
        ("tool_argument", '{"a":"b"}', "mail"),
        ("tool_argument", "raw", "shell"),
        ("tool_result", "done", "shell"),
        ("tool_result", "sent", "mail"),
        ("tool_argument", "{}", "old"),
        ("tool_result", "42", "old"),
    ]


def test_arguments_in_an_answer() -> None:
    message = {"role": "assistant", "tool_calls": [called("mail", "c1")], "function_call": called("f", "x")["function"]}
    assert tools(DIALECT.answer_segments({"choices": [{"index": 0, "message": message}]})) == [
        ("tool_argument", '{"a":"b"}', "mail"),
        ("tool_argument", '{"a":"b"}', "f"),
    ]


def test_odd_shapes_have_no_tool_and_do_no_harm() -> None:
    for messages in (
        [{"role": "tool", "content": "x"}],
        [{"role": "tool", "tool_call_id": 7, "content": {"deep": ["x"]}}],
        [{"role": "assistant", "tool_calls": [{"function": {"name": ["n"], "arguments": {"a": "x"}}}, "odd", None]}],
        [{"role": "assistant", "tool_calls": {"function": {"arguments": "x"}}}, 5, {"role": "tool", "content": "y"}],
    ):
        assert tools(DIALECT.segments({"messages": messages})) == []
