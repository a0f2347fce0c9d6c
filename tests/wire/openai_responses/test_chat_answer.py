from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import ChatAnswer, ChatRequest, Choice, Refusal, Sampling, Text, Tool, Turn
from gateway.core.errors import InvalidAnswer, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.openai_responses.chat_answer import created_s, ended, envelope, read_answer, write_answer
from tests.support.response_streams import call, message, response

ASKED = ChatRequest(
    dialect="openai_responses",
    model="m",
    turns=(Turn(role="system", parts=(Text(text="Be brief."),)),),
    tools=(Tool(name="f", schema={}),),
    sampling=Sampling(max_tokens=9),
    metadata={"a": "b"},
)


def test_an_answer_is_read() -> None:
    answer = read_answer(response(message("Hi", refusal="no"), call("f", "{}")))
    assert (answer.id, answer.model, answer.created_s) == ("resp_0123456789abcdef", "gpt-m-2026", 1_700_000_000)
    assert answer.usage == Usage(300, 600, 100, 180, 120)
    assert answer.choices[0].parts[:2] == (Text(text="Hi"), Refusal(text="no"))
    assert answer.choices[0].finish == "tool_calls"


@pytest.mark.parametrize("document", [None, [], {}, {"output": "x"}, {"output": [1]}])
def test_what_is_no_answer(document: Any) -> None:
    with pytest.raises(InvalidAnswer):
        read_answer(document)


def test_an_answer_that_failed_is_an_error() -> None:
    with pytest.raises(StreamFailed) as caught:
        read_answer(response(status="failed", error={"code": "server_error", "message": "Broke."}))
    assert (caught.value.status, caught.value.public_message) == (500, "Broke.")


def test_an_answer_repeats_what_was_asked() -> None:
    answer = ChatAnswer(
        id="a", model="m-1", choices=(Choice(index=0, parts=(Text(text="Hi"),), finish="length"),), usage=Usage(3)
    )
    document = write_answer(answer, ASKED)
    assert (document["instructions"], document["max_output_tokens"], document["metadata"]) == (
        "Be brief.",
        9,
        {"a": "b"},
    )
    assert document["tools"][0]["name"] == "f"
    assert (document["status"], document["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert document["output"][0]["status"] == "incomplete"
    assert document["usage"]["input_tokens"] == 3
    assert write_answer(ChatAnswer(id="a", model="m", choices=()), ASKED)["output"] == []


def test_beginnings_and_ends() -> None:
    begun = envelope(ASKED, "a", "m", 5, "flex")
    assert (begun["status"], begun["created_at"], begun["service_tier"], begun["output"]) == (
        "in_progress",
        5,
        "flex",
        [],
    )
    assert ended(begun, [], ("completed", None), None) == {**begun, "status": "completed"}
    assert [created_s({"created_at": made}) for made in (5, 5.7, True, None)] == [5, 5, 0, 0]
