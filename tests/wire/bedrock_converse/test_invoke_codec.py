"""Bodies of ``invoke`` read as conversations, and answers written in their form."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.chat import ChatAnswer, Choice, Text
from gateway.core.chat_events import Began, Ended, Finished, Said
from gateway.core.errors import UnsupportedField
from gateway.core.usage import Usage
from gateway.wire.bedrock_converse.invoke_packing import METRICS, opened
from gateway.wire.invoked import CODEC
from tests.support.bedrock_streams import client_events

PATH = "/model/anthropic.claude-x/invoke"
STREAM = PATH + "-with-response-stream"
USAGE = Usage(input_fresh_tokens=3, cache_read_tokens=4, cache_write_tokens=2, output_text_tokens=5)
ANSWER = ChatAnswer(id="a", model="m", choices=(Choice(index=0, parts=(Text(text="Sure."),), finish="stop"),))
EVENTS = (
    Began(id="a", model="m"),
    Said(choice=0, text="Sure."),
    Finished(choice=0, finish="stop"),
    Ended(usage=USAGE),
)
BODIES: dict[str, dict[str, Any]] = {
    "anthropic_messages": {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hello"}],
    },
    "bedrock_converse": {
        "schemaVersion": "messages-v1",
        "messages": [{"role": "user", "content": [{"text": "hello"}]}],
        "inferenceConfig": {"max_new_tokens": 9},
    },
    "openai_chat": {"messages": [{"role": "user", "content": "hello"}], "max_completion_tokens": 9},
}


@pytest.mark.parametrize("dialect", BODIES)
def test_a_body_is_read_by_its_form_and_its_path(dialect: str) -> None:
    body = orjson.loads(orjson.dumps(BODIES[dialect]))
    chat = CODEC.read_request(body, PATH)
    assert (chat.dialect, chat.model, chat.stream) == (dialect, "anthropic.claude-x", False)
    assert chat.turns[0].parts == (Text(text="hello"),)
    assert (chat.sampling.max_tokens, chat.extras) == (9, {})
    assert CODEC.read_request(body, STREAM + "?a=b").stream
    assert body == BODIES[dialect]


@pytest.mark.parametrize("body", [{"prompt": "hello"}, {"inputText": "hello"}, {"message": "hello"}, {}])
def test_a_prompt_in_the_words_of_one_model_goes_nowhere_else(body: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedField, match="written for"):
        CODEC.read_request(body, PATH)


WORDS = {
    "anthropic_messages": lambda told: told["content"][0]["text"],
    "bedrock_converse": lambda told: told["output"]["message"]["content"][0]["text"],
    "openai_chat": lambda told: told["choices"][0]["message"]["content"],
}


@pytest.mark.parametrize("dialect", BODIES)
def test_answers_are_in_the_form_of_the_question(dialect: str) -> None:
    chat = CODEC.read_request(BODIES[dialect], PATH)
    assert WORDS[dialect](CODEC.write_answer(ANSWER, chat)) == "Sure."


@pytest.mark.parametrize("dialect", BODIES)
def test_streams_are_in_frames_and_say_at_their_end_what_was_used(dialect: str) -> None:
    for cut in (len(EVENTS), 1):
        writer = CODEC.writer(CODEC.read_request(BODIES[dialect], STREAM))
        data = b"".join(writer.write(EVENTS[at : at + cut]) for at in range(0, len(EVENTS), cut))
        assert {name for name, _ in client_events(data)} == {"chunk"}
        documents = [orjson.loads(opened(raw)) for raw in _frames(data)]
        assert "Sure." in str(documents)
        assert documents[-1][METRICS] == {
            "inputTokenCount": 9,
            "outputTokenCount": 5,
            "cacheReadInputTokenCount": 4,
            "cacheWriteInputTokenCount": 2,
        }
        assert all(METRICS not in each for each in documents[:-1])


def test_a_stream_of_which_nobody_says_what_was_used_says_nothing_of_it() -> None:
    writer = CODEC.writer(CODEC.read_request(BODIES["anthropic_messages"], STREAM))
    data = writer.write([*EVENTS[:-1], Ended()])
    assert METRICS not in str([opened(raw) for raw in _frames(data)])
    assert writer.write([]) == b""


def _frames(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[:size])
        data = data[size:]
    return found
