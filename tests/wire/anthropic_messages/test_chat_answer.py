from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from gateway.core.errors import InvalidAnswer
from gateway.core.usage import Apart, Usage
from gateway.wire.anthropic_messages.chat_answer import explanation, message_id, read_answer, write_answer
from gateway.wire.block_calls import call_id
from tests.wire.anthropic_messages.test_answer import ANSWER

ASKED = ChatRequest(dialect="anthropic_messages", model="asked", turns=())


def write(*parts: Part, finish: Any = "stop") -> dict[str, Any]:
    answer = ChatAnswer(
        id="x", model="m", choices=(Choice(index=0, parts=parts, finish=finish),), usage=Usage(1, 2, 3, 4, 5)
    )
    return write_answer(answer, ASKED)


def test_what_is_read_of_a_message() -> None:
    answer = read_answer({**ANSWER, "stop_reason": "stop_sequence", "stop_sequence": "E"})
    choice = answer.choices[0]
    assert (answer.id, answer.model, answer.service_tier) == ("msg_1", "m-1", "standard")
    assert (choice.finish, choice.stop_sequence) == ("stop_sequence", "E")
    assert [type(part) for part in choice.parts] == [Reasoning, Text, ToolCall]
    assert answer.usage == Usage(10, 7, 5, 25, 15, apart=Apart(tool_calls=(("web_search", 1),)))


def test_the_words_of_a_refusal() -> None:
    details = {"type": "refusal", "explanation": "No."}
    answer = read_answer({**ANSWER, "content": [], "stop_reason": "refusal", "stop_details": details})
    assert answer.choices[0].parts == (Refusal(text="No."),)
    assert explanation(None) == ""


@pytest.mark.parametrize("odd", [None, {}, {"content": "x"}, {"content": [1]}, {"content": [{"type": "tool_use"}]}])
def test_what_is_no_message(odd: Any) -> None:
    with pytest.raises(InvalidAnswer):
        read_answer(odd)


def test_an_answer_of_others() -> None:
    call = ToolCall(id="call_1", name="t", arguments='{"a":1}')
    document = write(Reasoning(text="hm", origin="openai_chat"), Text(text="so"), call)
    assert document["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "so", "citations": None},
        {"type": "tool_use", "id": "call_1", "name": "t", "input": {"a": 1}},
    ]
    assert document["stop_reason"] == "tool_use"
    assert document["usage"]["input_tokens"] == 1
    assert (document["id"], document["model"], document["stop_sequence"]) == ("x", "m", None)


def test_what_has_no_block_of_its_own() -> None:
    parts = (
        Refusal(text="no"),
        Media(kind="audio", data="AA", text="spoken"),
        Media(kind="image", data="AA"),
        Text(text=""),
        Opaque(dialect="gemini", kind="x", document={}),
        Reasoning(encrypted="e", origin="openai_responses"),
    )
    document = write(*parts)
    assert [block["text"] for block in document["content"]] == ["no", "spoken"]
    assert document["stop_reason"] == "refusal"


def test_calls_that_do_not_fit() -> None:
    made = write(ToolCall(id="", name="t", arguments=""), ToolCall(id="", name="t", arguments="free", custom=True))
    assert [block["id"] for block in made["content"]] == ["call_0", "call_1"]
    assert [block["input"] for block in made["content"]] == [{}, {"input": "free"}]
    with pytest.raises(InvalidAnswer, match="call_9"):
        write(ToolCall(id="call_9", name="t", arguments="{"))


def test_an_answer_of_nothing() -> None:
    document = write_answer(ChatAnswer(id="", model="", choices=()), ASKED)
    assert (document["id"], document["model"], document["stop_reason"]) == ("msg_0", "asked", "end_turn")
    assert (message_id("a"), call_id("", 3), call_id("b", 3)) == ("a", "call_3", "b")
