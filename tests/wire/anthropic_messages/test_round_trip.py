"""Recorded requests, answers and streams of this dialect come out of its codec as they went in.

What becomes of them in other dialects is in ``tests/wire/test_golden.py``.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from gateway.core.chat import ChatRequest
from gateway.core.codec import ChatCodec
from gateway.core.losses import Losses
from gateway.wire.anthropic_messages import CODEC, DIALECT
from tests.support.golden import cases

ASKED = ChatRequest(dialect="anthropic_messages", model="m", turns=())
REQUESTS = {case.stem: orjson.loads(case.read_bytes()) for case in cases("anthropic_messages", "requests")}
ANSWERS = {case.stem: orjson.loads(case.read_bytes()) for case in cases("anthropic_messages", "answers")}
STREAMS = {case.stem: case.read_bytes() for case in cases("anthropic_messages", "streams")}


def through(codec: ChatCodec, data: list[bytes], writer: ChatCodec) -> bytes:
    """Read a stream by one codec and write it by another."""
    reader, out = codec.reader(), writer.writer(ASKED)
    return b"".join([*(out.write(reader.feed(piece)) for piece in data), out.write(reader.finish())])


def same(request: dict[str, Any]) -> dict[str, Any]:
    """A request in the one way of several in which the writer writes it."""
    system = request.get("system")
    if isinstance(system, str):
        request = {**request, "system": [{"type": "text", "text": system}]}
    messages = json.loads(json.dumps(request["messages"]))
    for message in messages:
        content = message["content"]
        for block in content if isinstance(content, list) else ():
            inner = block.get("content")
            if block["type"] == "tool_result" and isinstance(inner, list) and len(inner) == 1:
                block["content"] = inner[0]["text"]
    return {**request, "messages": messages}


# A search result becomes a document.
@pytest.mark.parametrize("name", sorted(REQUESTS.keys() - {"search_result"}))
def test_a_request_comes_out_as_it_went_in(name: str) -> None:
    chat = CODEC.read_request(REQUESTS[name], "/v1/messages")
    losses = Losses(chat.names, "anthropic_messages")
    assert CODEC.write_request(chat, "", losses).document == same(REQUESTS[name])
    assert losses.fields == ()


@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - {"refused"}))
def test_an_answer_comes_out_as_it_went_in(name: str) -> None:
    assert CODEC.write_answer(CODEC.read_answer(ANSWERS[name]), ASKED) == ANSWERS[name]


@pytest.mark.parametrize("name", sorted(STREAMS.keys() - {"refused"}))
def test_a_stream_comes_out_as_it_went_in(name: str) -> None:
    through_ours = through(CODEC, [STREAMS[name]], CODEC)
    before, after = (orjson.loads(DIALECT.stream_transcript([each])) for each in (STREAMS[name], through_ours))
    for each in (before, after):
        for block in each["content"]:
            block.setdefault("citations", None)
            block["citations"] = block["citations"] or None
    assert after == before
