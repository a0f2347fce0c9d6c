from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.cache.said import Said, said_in, words_in
from gateway.core.cached import CachedAnswer
from gateway.core.chat import ChatRequest
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Thought
from gateway.core.chat_events import Said as Piece
from gateway.wire.bridge import CODECS
from tests.support.kept_answers import kept

WHOLE: Any = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "It rains.",
                "tool_calls": [
                    {"id": "b", "type": "function", "function": {"name": "wx", "arguments": '{"d": 1, "c": "Oslo"}'}},
                    {"id": "a", "type": "function", "function": {"name": "at", "arguments": ""}},
                ],
            },
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
TOLD = Said("It rains.", (("at", "{}"), ("wx", '{"c":"Oslo","d":1}')))


def answer(body: bytes, *, dialect: str = "openai_chat", stream: bool = False) -> CachedAnswer:
    return kept("x", body=body, dialect=dialect, stream=stream)


def test_a_whole_answer_is_read() -> None:
    assert said_in(answer(orjson.dumps(WHOLE))) == TOLD


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages", "gemini", "openai_responses"])
def test_a_stream_says_what_it_would_say_whole(dialect: str) -> None:
    events: list[ChatEvent] = [
        Began(id="c1", model="m"),
        Piece(choice=0, text="It "),
        Piece(choice=0, text="rains."),
        Called(choice=0, call=0, id="b", name="wx"),
        Argued(choice=0, call=0, arguments='{"d": 1,'),
        Argued(choice=0, call=0, arguments=' "c": "Oslo"}'),
        Finished(choice=0, finish="tool_calls"),
        Ended(),
    ]
    written = CODECS[dialect].writer(ChatRequest(dialect=dialect, model="m", turns=(), stream=True)).write(events)
    found = said_in(answer(written, dialect=dialect, stream=True))
    assert found == Said("It rains.", (("wx", '{"c":"Oslo","d":1}'),))


@pytest.mark.parametrize(
    ("body", "dialect", "stream"),
    [
        (b"not json", "openai_chat", False),
        (b"[]", "openai_chat", False),
        (orjson.dumps(WHOLE), "openai_embeddings", False),
        (b"data: {}\n\n", "openai_chat", True),
        (b"", "openai_chat", True),
    ],
)
def test_what_cannot_be_read_says_nothing(*, body: bytes, dialect: str, stream: bool) -> None:
    assert said_in(answer(body, dialect=dialect, stream=stream)) is None


def test_arguments_that_are_no_json_are_what_they_are() -> None:
    document = orjson.loads(orjson.dumps(WHOLE))
    document["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = "{oops"
    found = said_in(answer(orjson.dumps(document)))
    assert found is not None
    assert ("wx", "{oops") in found.calls


@pytest.mark.parametrize(
    "dialect", ["openai_chat", "anthropic_messages", "gemini", "openai_responses", "bedrock_converse"]
)
def test_words_that_a_stream_told_in_pieces_are_put_together(dialect: str) -> None:
    events: list[ChatEvent] = [
        Began(id="c1", model="m"),
        Piece(choice=0, text="It rai"),
        Piece(choice=0, text='ns "cats"\nand do'),
        Piece(choice=0, text="gs."),
        Called(choice=0, call=0, id="b", name="wx"),
        Argued(choice=0, call=0, arguments='{"c": "Os'),
        Argued(choice=0, call=0, arguments='lo"}'),
        Finished(choice=0, finish="tool_calls"),
        Ended(),
    ]
    codec = CODECS[dialect]
    written = codec.writer(ChatRequest(dialect=dialect, model="m", turns=(), stream=True)).write(events)
    told = words_in(answer(written, dialect=dialect, stream=True))
    assert 'It rains "cats"\nand dogs.' in told
    assert "Oslo" in told
    assert "wx" in told


def test_thoughts_count_too() -> None:
    events: list[ChatEvent] = [
        Began(id="c1", model="m"),
        Thought(choice=0, text="let me th"),
        Thought(choice=0, text="ink"),
        Piece(choice=0, text="yes"),
        Finished(choice=0, finish="stop"),
        Ended(),
    ]
    writer = CODECS["anthropic_messages"].writer(ChatRequest(dialect="anthropic_messages", model="m", turns=()))
    told = words_in(answer(writer.write(events), dialect="anthropic_messages", stream=True))
    assert told.split("\n") == ["let me think", "yes"]


def test_words_of_completions_and_of_whole_answers() -> None:
    pieces = (("open", 0), ("gone", 1), ("ing hours", 0))
    events = [orjson.dumps({"choices": [{"index": index, "text": text}]}) for text, index in pieces]
    body = b"".join(b"data: %b\n\n" % event for event in (*events, b"[DONE]"))
    assert words_in(answer(body, dialect="openai_completions", stream=True)) == "opening hours\ngone"
    told = words_in(answer(orjson.dumps(WHOLE)))
    assert "It rains." in told
    assert "Oslo" in told


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_completions", "anthropic_messages"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_cannot_be_read_has_no_words(dialect: str, stream: bool) -> None:
    assert words_in(answer(b'data: {"choices": 7}\n\ndata: {', dialect=dialect, stream=stream)) == ""
