from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Said, Thought
from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.wire.gemini.chat_stream_reader import ChatEventReader
from tests.support.gemini_streams import (
    MODEL,
    SIGNATURE,
    USAGE,
    MadeUp,
    candidate,
    event,
    failure,
    made_up_streams,
    said,
)
from tests.support.streams import cut, cuttings


def read(*pieces: bytes) -> list[ChatEvent]:
    reader = ChatEventReader()
    events = [each for piece in pieces for each in reader.feed(piece)]
    return [*events, *reader.finish()]


def test_pieces_are_told_in_order_and_usage_last() -> None:
    first = event(candidate({"text": "mull", "thought": True}), usageMetadata={"promptTokenCount": 5})
    events = read(first, *said("a", "b"))
    began, *told, ended = events
    assert isinstance(began, Began)
    assert (began.id, began.model, began.usage and began.usage.input_tokens) == ("r-1", MODEL, 5)
    assert told == [
        Thought(choice=0, text="mull", summary=True, origin="gemini"),
        Said(choice=0, text="a", block=1),
        Said(choice=0, text="b", block=1),
        Finished(choice=0, finish="stop"),
    ]
    assert isinstance(ended, Ended)
    assert ended.usage is not None
    assert ended.usage.reasoning_tokens == 120


def test_calls_are_numbered_and_keep_their_seal() -> None:
    calls = [
        {"functionCall": {"id": "c", "name": "f", "args": {"q": 1}}, "thoughtSignature": SIGNATURE},
        {"functionCall": {"name": "g"}},
    ]
    told = read(event(candidate(*calls, finish="STOP")))[1:-1]
    assert told == [
        Called(choice=0, call=0, id="c", name="f", signature=SIGNATURE, origin="gemini"),
        Argued(choice=0, call=0, arguments='{"q":1}'),
        Called(choice=0, call=1, id="", name="g"),
        Argued(choice=0, call=1, arguments="{}"),
        Finished(choice=0, finish="tool_calls"),
    ]


def test_a_call_in_pieces_is_told_when_it_is_whole() -> None:
    pieces = [
        {"name": "f", "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.q", "stringValue": "a"}], "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.q", "stringValue": "b"}]},
    ]
    told = read(*(event(candidate({"functionCall": piece})) for piece in pieces), event(candidate(finish="STOP")))
    assert told[1:-1] == [
        Called(choice=0, call=0, id="", name="f"),
        Argued(choice=0, call=0, arguments='{"q":"ab"}'),
        Finished(choice=0, finish="tool_calls"),
    ]


def test_a_seal_without_words_belongs_to_what_came_before() -> None:
    told = read(event(candidate({"text": "a"}, {"text": "", "thoughtSignature": SIGNATURE}, finish="STOP")))
    assert told[2] == Thought(choice=0, signature=SIGNATURE, origin="gemini")


def test_what_only_this_dialect_knows_is_passed_as_it_is() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "aa"}}
    code = {"executableCode": {"code": "1"}}
    told = [each for each in read(event(candidate(image, code, finish="STOP"))) if isinstance(each, Foreign)]
    assert [(each.piece.kind, each.piece.document) for each in told] == [
        ("inlineData", image),
        ("executableCode", code),
    ]


def test_likelihoods_go_with_the_text_of_their_event() -> None:
    likely: dict[str, Any] = {"logprobsResult": {"chosenCandidates": [{"token": "a", "logProbability": -1.0}]}}
    told = [each for each in read(event(candidate({"text": "a"}, finish="STOP", **likely))) if isinstance(each, Said)]
    assert [each.logprobs is not None for each in told] == [True]


@given(made_up_streams(), cuttings(8_000))
def test_any_cut_tells_the_same(stream: MadeUp, marks: list[int]) -> None:
    assert read(*cut(stream.data, marks)) == read(stream.data)


def test_what_comes_after_the_end_of_a_candidate_is_not_its() -> None:
    told = read(*said("a"), event(candidate({"text": "late"})), event(usageMetadata=USAGE))
    assert [each.text for each in told if isinstance(each, Said)] == ["a"]


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [event(candidate({"text": "a"}))],
        [event(candidate({"text": "a"}, finish="STOP"), candidate({"text": "b"}, index=1))],
        [said("a")[0][:-3]],
    ],
)
def test_a_cut_stream_has_no_end(pieces: list[bytes]) -> None:
    with pytest.raises(StreamBroken):
        read(*pieces)


@pytest.mark.parametrize(
    "bad",
    [
        b"data: " + orjson.dumps(failure(429, "RESOURCE_EXHAUSTED", "Quota.")) + b"\n\n",
        orjson.dumps(failure(429, "RESOURCE_EXHAUSTED", "Quota."), option=orjson.OPT_INDENT_2),
        orjson.dumps([failure(429, "RESOURCE_EXHAUSTED", "Quota.")]),
        b"data: " + orjson.dumps(failure(429, "RESOURCE_EXHAUSTED", "Quota.")),
    ],
)
def test_an_error_is_one_however_it_is_framed_and_keeps_no_foreign_words(bad: bytes) -> None:
    with pytest.raises(StreamFailed) as failed:
        read(event(candidate({"text": "a"})), bad)
    assert (failed.value.status, failed.value.public_message, failed.value.detail) == (429, "Quota.", None)


def test_a_prompt_that_was_not_taken_ends_by_a_filter() -> None:
    assert read(event(promptFeedback={"blockReason": "SAFETY"}))[1] == Finished(choice=0, finish="content_filter")


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(InvalidAnswer):
        read(b"data: [1]\n\n")
    with pytest.raises(InvalidAnswer):
        read(event(*(candidate({"text": "a"}, index=index) for index in range(1_025))))
