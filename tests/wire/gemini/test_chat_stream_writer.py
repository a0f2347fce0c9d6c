from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import ChatRequest, Citation, Opaque, Thinking, TokenLogprob
from gateway.core.chat_events import (
    Argued,
    Began,
    Called,
    ChatEvent,
    Ended,
    Finished,
    Foreign,
    Refused,
    Said,
    Thought,
)
from gateway.core.errors import InvalidAnswer
from gateway.core.usage import Usage
from gateway.wire.gemini.chat_stream_writer import MAX_CALL_CHARS, ChatEventWriter
from tests.support.streams import client_chunks

ASKED = ChatRequest(dialect="gemini", model="m", turns=(), thinking=Thinking(visible=True))
BEGAN = Began(id="r", model="m")


def chunks(*events: ChatEvent, asked: ChatRequest = ASKED) -> list[dict[str, Any]]:
    return client_chunks(ChatEventWriter(asked).write([BEGAN, *events]))


def parts(*events: ChatEvent, asked: ChatRequest = ASKED) -> list[Any]:
    found = [
        each.get("content", {}).get("parts", [])
        for chunk in chunks(*events, asked=asked)
        for each in chunk["candidates"]
    ]
    return [part for each in found for part in each]


def test_every_chunk_says_whose_it_is_and_the_last_what_it_took() -> None:
    told = chunks(
        Said(choice=0, text='"é'), Finished(choice=0, finish="stop"), Ended(usage=Usage(input_fresh_tokens=3))
    )
    assert told == [
        {
            "candidates": [{"content": {"parts": [{"text": '"é'}], "role": "model"}, "index": 0}],
            "modelVersion": "m",
            "responseId": "r",
        },
        {
            "candidates": [{"finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 0, "totalTokenCount": 3},
            "modelVersion": "m",
            "responseId": "r",
        },
    ]


def test_nothing_leaves_for_text_that_is_empty() -> None:
    assert parts(Said(choice=0, text=""), Refused(choice=0, text=""), Thought(choice=0)) == []


def test_calls_that_come_side_by_side_leave_whole_and_in_order() -> None:
    told = parts(
        Called(choice=0, call=0, id="a", name="f", signature="s", origin="gemini"),
        Called(choice=0, call=1, id="b", name="g"),
        Argued(choice=0, call=1, arguments='{"x"'),
        Argued(choice=0, call=0, arguments='{"q":'),
        Argued(choice=0, call=1, arguments=":1}"),
        Argued(choice=0, call=0, arguments="2}"),
        Finished(choice=0, finish="tool_calls"),
        Ended(),
    )
    assert told == [
        {"functionCall": {"id": "a", "name": "f", "args": {"q": 2}}, "thoughtSignature": "s"},
        {"functionCall": {"id": "b", "name": "g", "args": {"x": 1}}},
    ]


def test_a_call_that_never_became_json_breaks_the_stream() -> None:
    with pytest.raises(InvalidAnswer, match="'f'"):
        chunks(
            Called(choice=0, call=0, id="a", name="f"),
            Argued(choice=0, call=0, arguments='{"q":'),
            Finished(choice=0, finish="length"),
        )
    with pytest.raises(InvalidAnswer):
        chunks(
            Called(choice=0, call=0, id="a", name="f"),
            Argued(choice=0, call=0, arguments="x" * (MAX_CALL_CHARS + 1)),
        )


def test_thoughts_and_seals() -> None:
    events = (
        Thought(choice=0, text="mull", signature="s", origin="gemini"),
        Thought(choice=0, text="foreign", signature="t", origin="anthropic_messages"),
        Thought(choice=0, signature="u", origin="gemini"),
    )
    assert parts(*events) == [
        {"text": "mull", "thought": True, "thoughtSignature": "s"},
        {"text": "foreign", "thought": True},
        {"text": "", "thoughtSignature": "u"},
    ]
    silent = ChatRequest(dialect="gemini", model="m", turns=())
    assert parts(*events, asked=silent) == [
        {"text": "", "thoughtSignature": "s"},
        {"text": "", "thoughtSignature": "u"},
    ]


def test_pieces_of_its_own_dialect_and_refusals_are_parts() -> None:
    own = Opaque(dialect="gemini", kind="executableCode", document={"executableCode": {"code": "1"}})
    foreign = Opaque(dialect="anthropic_messages", kind="server_tool_use", document={})
    told = parts(Foreign(choice=0, piece=own), Foreign(choice=0, piece=foreign), Refused(choice=0, text="no"))
    assert told == [{"executableCode": {"code": "1"}}, {"text": "no"}]


def test_citations_count_from_the_start_of_all_text() -> None:
    citation = Citation(kind="url", start=0, end=1, url="https://a.example")
    told = chunks(
        Said(choice=0, text="abc"),
        Said(choice=0, text="d", citations=(citation,)),
        Said(choice=0, text="", citations=(citation,), logprobs=(TokenLogprob(token="d", logprob=-1.0),)),
    )
    places = [each["candidates"][0]["citationMetadata"]["citations"][0]["startIndex"] for each in told[1:]]
    assert places == [3, 0]
    assert told[2]["candidates"][0]["logprobsResult"] == {"chosenCandidates": [{"token": "d", "logProbability": -1.0}]}
