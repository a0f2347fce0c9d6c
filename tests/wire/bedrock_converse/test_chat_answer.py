from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import ChatAnswer, Choice, Media, Reasoning, Refusal, Text, ToolCall
from gateway.core.errors import InvalidAnswer
from gateway.wire.bedrock_converse.chat_answer import read_answer, write_answer
from tests.support.bedrock_script import said


def answer(*parts: Any, finish: Any = "stop", **fields: Any) -> Any:
    choice = Choice(index=0, parts=parts, finish=finish, **fields)
    return write_answer(ChatAnswer(id="x", model="m", choices=(choice,)))


def test_what_stopped_an_answer_is_told_where_it_is_known() -> None:
    document = {**said("a", reason="stop_sequence"), "additionalModelResponseFields": {"stop_sequence": "END"}}
    choice = read_answer(document).choices[0]
    assert (choice.finish, choice.stop_sequence) == ("stop_sequence", "END")
    again = answer(Text(text="a"), finish="stop_sequence", stop_sequence="END")
    assert again["additionalModelResponseFields"] == {"stop_sequence": "END"}


@pytest.mark.parametrize(("tier", "told"), [("flex", {"type": "flex"}), ("batch", None), ("", None)])
def test_a_tier_is_told_where_bedrock_has_one_of_that_name(tier: str, told: Any) -> None:
    assert write_answer(ChatAnswer(id="", model="", choices=(), service_tier=tier)).get("serviceTier") == told


def test_parts_of_other_dialects() -> None:
    written = answer(
        Reasoning(text="hm", signature="s", origin="gemini"),
        Reasoning(encrypted="x", origin="openai_responses"),
        Media(kind="image", media_type="image/png", data="eA=="),
        Media(kind="audio", text="spoken"),
        ToolCall(id="", name="n", arguments="", custom=False),
        ToolCall(id="b", name="n", arguments="ls", custom=True),
    )
    assert written["output"]["message"]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        {"image": {"format": "png", "source": {"bytes": "eA=="}}},
        {"text": "spoken"},
        {"toolUse": {"toolUseId": "call_0", "name": "n", "input": {}}},
        {"toolUse": {"toolUseId": "b", "name": "n", "input": {"input": "ls"}}},
    ]
    assert written["stopReason"] == "tool_use"
    assert answer(Refusal(text="No."))["stopReason"] == "content_filtered"
    assert write_answer(ChatAnswer(id="", model="", choices=()))["output"]["message"]["content"] == []


@pytest.mark.parametrize("odd", [None, [], {}, {"output": {"message": {"content": "x"}}}, said({}), said({"text": 1})])
def test_what_is_no_answer(odd: Any) -> None:
    with pytest.raises(InvalidAnswer):
        read_answer(odd)


def test_arguments_that_are_no_object_are_the_providers_fault() -> None:
    with pytest.raises(InvalidAnswer, match="'b'"):
        answer(ToolCall(id="b", name="n", arguments="[1]"))
