from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.cache.said import Said, said_in
from gateway.core.cached import CachedAnswer
from gateway.core.chat import ChatRequest
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished
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
