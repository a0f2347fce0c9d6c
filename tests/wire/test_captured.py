from __future__ import annotations

import orjson
import pytest

from gateway.wire.captured import Unreadable, calls_in, read_answer, read_captured, read_request, results_in

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
ASKED = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": "call_0"}]},
        {"role": "tool", "tool_call_id": "call_0", "content": "old"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "found"},
        {"role": "user", "content": "and now?"},
    ],
}
ANSWERED = {
    "choices": [
        {"message": {"role": "assistant", "content": None, "tool_calls": [CALL]}, "finish_reason": "tool_calls"}
    ]
}
ROUTE = "/v1/chat/completions"


def test_both_bodies_are_read() -> None:
    found = read_captured("openai_chat", ROUTE, orjson.dumps(ASKED).decode(), orjson.dumps(ANSWERED).decode())
    assert [(call.id, call.name) for call in calls_in(found.answer)] == [("call_1", "look")]
    # Only what is new since the model last spoke.
    assert [result.call_id for result in results_in(found.chat)] == ["call_1"]


def test_a_dialect_of_another_shape_is_read_too() -> None:
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    chat = read_request("anthropic_messages", "/v1/messages", orjson.dumps(asked).decode())
    assert [turn.role for turn in chat.turns] == ["user"]


@pytest.mark.parametrize(
    ("dialect", "body", "reason"),
    [
        ("openai_embeddings", "{}", "no conversation"),
        ("openai_chat", None, "not captured"),
        ("openai_chat", "", "not captured"),
        ("openai_chat", '{"messages":[{"role":"us', "cut"),
        ("openai_chat", "[]", "cannot be read"),
        ("openai_chat", '{"messages":7,"choices":[]}', "cannot be read"),
    ],
)
def test_what_holds_no_conversation_says_why(dialect: str, body: str | None, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_request(dialect, ROUTE, body)
    with pytest.raises(Unreadable, match=reason):
        read_answer(dialect, body)
