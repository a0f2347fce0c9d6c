from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from gateway.core.chat import ChatAnswer, Choice, Citation, Media, Reasoning, Refusal, Text, ToolCall
from gateway.core.errors import InvalidAnswer
from gateway.wire.openai_chat.chat_answer import read_answer, write_answer


def document(message: Any, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


def test_an_answer_is_read_in_the_order_in_which_it_came_to_be() -> None:
    message = {
        "role": "assistant",
        "content": "a",
        "reasoning": "hm",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 0, "end_index": 1}}],
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    answer = read_answer(document(message, "tool_calls", created=5, service_tier="flex", system_fingerprint="fp"))
    (choice,) = answer.choices
    assert (answer.created_s, answer.service_tier, answer.fingerprint) == (5, "flex", "fp")
    thought, said, call = choice.parts
    assert isinstance(thought, Reasoning)
    assert isinstance(said, Text)
    assert said.citations[0].url == "u"
    assert call == ToolCall(id="c1", name="f", arguments="{}")
    assert choice.finish == "tool_calls"


def test_odd_answers_are_read() -> None:
    refused = read_answer(document({"content": None, "refusal": "no"})).choices[0]
    assert (refused.parts, refused.finish) == ((Refusal(text="no"),), "refusal")
    legacy = read_answer(document({"function_call": {"name": "f", "arguments": "{}"}}, "function_call")).choices[0]
    assert (legacy.parts, legacy.finish) == ((ToolCall(id="call_0", name="f", arguments="{}"),), "tool_calls")
    audio = read_answer(document({"audio": {"id": "a", "data": "AAAA", "transcript": "hi"}})).choices[0]
    assert audio.parts == (Media(kind="audio", data="AAAA", file_id="a", text="hi"),)


@pytest.mark.parametrize(
    "bad", [None, [], {}, {"choices": []}, {"choices": [{}]}, document({"content": 7}), document({"tool_calls": [1]})]
)
def test_what_is_no_answer_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidAnswer):
        read_answer(bad)


def test_everything_an_answer_may_hold_is_written_as_the_client_knows_it() -> None:
    parts = (
        Reasoning(text="hm", signature="s"),
        Text(text="see ", citations=(Citation(kind="url", url="u", title="t", start=0, end=3),)),
        Text(text="there", citations=(Citation(kind="url", url="v", start=0, end=5),)),
        ToolCall(id="", name="f", arguments="{}"),
        ToolCall(id="c2", name="sh", arguments="ls", custom=True),
        Media(kind="audio", data="AAAA", file_id="a", text="hi"),
    )
    answer = ChatAnswer(
        id="msg_1", model="m", choices=(Choice(index=0, parts=parts, finish="tool_calls"),), service_tier="flex",
        fingerprint="fp",
    )  # fmt: skip
    written = write_answer(answer)
    message = ChatCompletion.model_validate(written).choices[0].message
    assert message.content == "see there"
    assert [note.url_citation.start_index for note in message.annotations or ()] == [0, 4]
    assert [call.id for call in message.tool_calls or ()] == ["call_msg1_0", "c2"]
    assert message.audio is not None
    assert written["choices"][0]["message"]["reasoning_content"] == "hm"
    assert "usage" not in written


def test_an_answer_without_words_has_no_content() -> None:
    def message(*parts: Any) -> Any:
        choice = Choice(index=0, parts=parts, finish="refusal")
        return write_answer(ChatAnswer(id="x", model="m", choices=(choice,)))["choices"][0]

    assert message(Refusal(text="no"))["message"]["content"] is None
    assert message(Refusal(text="no"))["finish_reason"] == "stop"
    assert message()["message"]["content"] == ""
    assert message()["finish_reason"] == "content_filter"
