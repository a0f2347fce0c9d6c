"""The codec as a whole, and what the official client makes of what it writes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message
from hypothesis import given

from gateway.core.codec import ChatCodec
from gateway.core.usage import Usage
from gateway.wire.anthropic_messages import CODEC
from gateway.wire.anthropic_messages.merge import restream
from gateway.wire.openai_chat.codec import CODEC as OPENAI
from gateway.wire.openai_stream import DONE
from tests.support.chat_streams import MadeUp as MadeUpChat
from tests.support.chat_streams import made_up_streams
from tests.support.message_streams import client_events
from tests.wire.anthropic_messages.test_round_trip import ANSWERS, ASKED, REQUESTS, through


def accumulated(data: bytes) -> dict[str, Any]:
    """The message that the official client puts together."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for document in client_events(data):
        raw: Any = document
        snapshot = accumulate_event(event=raw, current_snapshot=snapshot, json_bufs=buffers)
    return plain(snapshot.to_dict(mode="json"))


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """A message as the official client reads it, without what says nothing."""
    read = Message.construct(**document).to_dict(mode="json")
    content: Any = read["content"]
    blocks = [{name: value for name, value in block.items() if value is not None} for block in content]
    return {**{name: value for name, value in read.items() if value is not None}, "content": blocks}


def test_it_is_a_codec() -> None:
    codec: ChatCodec = CODEC
    assert codec.name == "anthropic_messages"
    assert codec.read_usage({"input_tokens": 1}) == Usage(1)
    assert codec.read_error(429, {}, {}).status == 429
    assert codec.read_request(REQUESTS["simple"], "/v1/messages").model == "claude-haiku-4-5"


@pytest.mark.parametrize("name", ANSWERS)
def test_the_official_client_reads_the_stream_as_the_whole_answer(name: str) -> None:
    whole = CODEC.write_answer(CODEC.read_answer(ANSWERS[name]), ASKED)
    streamed = through(CODEC, [restream(ANSWERS[name])], CODEC)
    assert accumulated(streamed) == plain(whole)


@given(made_up_streams())
def test_what_openai_streams_is_a_message_to_the_official_client(stream: MadeUpChat) -> None:
    chunks = [orjson.loads(each[6:]) for each in stream.events if each.startswith(b"data: {")]
    for chunk in chunks:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", ()):
                # Pieces made up as prose: as the value of an argument they are arguments.
                if call["function"]["arguments"]:
                    call["function"] = {**call["function"], "arguments": ""}
            choice["logprobs"] = None
    data = [b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks]
    got = accumulated(through(OPENAI, [*data, DONE], CODEC))
    texts = "".join(block["text"] for block in got["content"] if block["type"] == "text")
    thoughts = "".join(block["thinking"] for block in got["content"] if block["type"] == "thinking")
    spoken = {name: text for (index, name), text in stream.texts.items() if index == 0}
    assert len(texts) == len(spoken.get("content", "")) + len(spoken.get("refusal", ""))
    assert thoughts == spoken.get("reasoning_content", "")
    assert sum(block["type"] == "tool_use" for block in got["content"]) == sum("name/" in name for name in spoken)
