"""Streams of every dialect that carry one text, whole or cut, and requests for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.core.chat import ChatRequest
from gateway.core.chat_events import Began, ChatEvent, Ended, Finished, Said
from gateway.core.codec import EventReader
from gateway.core.errors import GatewayError
from gateway.core.exchange import Incoming
from gateway.core.ports import AnswerSink
from gateway.core.usage import Usage
from gateway.wire.aws_eventstream import FrameSplitter
from gateway.wire.bridge import CODECS, EVENTS
from gateway.wire.openai_completions.chat_stream import TextEventReader, TextEventWriter
from gateway.wire.sse import EventSplitter
from tests.support.incoming import json_incoming
from tests.support.rooms import Script

FRAMES = b"application/vnd.amazon.eventstream"
# A provider's kind, and the dialect that it is asked in by clients of others.
TARGETS = {
    "openai": "openai_chat",
    "anthropic": "anthropic_messages",
    "gemini": "gemini",
    "bedrock": "bedrock_converse",
    "triton": "triton",
}
# A client's dialect, and the kind of providers that speak it.
NATIVE = {
    "openai_chat": "openai",
    "openai_completions": "openai",
    "openai_responses": "openai",
    "anthropic_messages": "anthropic",
    "gemini": "gemini",
    "bedrock_converse": "bedrock",
    "triton": "triton",
}
TOLD = Usage(input_fresh_tokens=30, output_text_tokens=9)


def asking(dialect: str, text: str = "Tell me a story.", **more: Any) -> Incoming:
    """A client's request for a stream of plain text."""
    said = {"role": "user", "content": text}
    if dialect == "openai_completions":
        return json_incoming("/v1/completions", {"model": "m", "prompt": text, "stream": True, **more})
    if dialect == "openai_responses":
        document = {"model": "m", "input": text, "stream": True, "store": False, **more}
        return json_incoming("/v1/responses", document)
    if dialect == "anthropic_messages":
        return json_incoming(
            "/v1/messages", {"model": "m", "max_tokens": 500, "messages": [said], "stream": True, **more}
        )
    if dialect == "gemini":
        document = {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}
        return json_incoming("/v1beta/models/m:streamGenerateContent", document, query="alt=sse")
    if dialect == "bedrock_converse":
        document = {"messages": [{"role": "user", "content": [{"text": text}]}], **more}
        return json_incoming("/bedrock/model/m/converse-stream", document)
    if dialect == "triton":
        return json_incoming("/v2/models/m/generate_stream", {"text_input": text, "max_tokens": 500, **more})
    return json_incoming("/v1/chat/completions", {"model": "m", "messages": [said], "stream": True, **more})


def pieces(
    dialect: str, texts: Sequence[str], *, name: str = "one", usage: Usage | None = TOLD, whole: bool = True
) -> list[bytes]:
    """A provider's stream, event by event."""
    events: list[ChatEvent] = [Began(id=name, model=f"model-{name}", created_s=7)]
    events += [Said(choice=0, text=text) for text in texts]
    if whole:
        events += [Finished(choice=0, finish="stop"), Ended(usage=usage)]
    if dialect == "openai_completions":
        return [TextEventWriter().write(events)]
    writer = CODECS[dialect].writer(ChatRequest(dialect=dialect, model="m", turns=(), stream=True))
    return [data for event in events if (data := writer.write([event]))]


def playing(dialect: str, *data: bytes | GatewayError) -> Script:
    """Play a stream, which may end with an error of the connection."""
    kind = FRAMES if dialect == "bedrock_converse" else EVENTS

    def play(sink: AnswerSink) -> None:
        sink.on_head(200, {b"content-type": kind})
        for piece in data:
            if isinstance(piece, GatewayError):
                sink.on_fail(piece)
                return
            sink.on_data(piece)
        sink.on_end()

    return play


def read(dialect: str, body: bytes) -> list[ChatEvent]:
    """Read a client's stream, to its end."""
    reader: EventReader = TextEventReader() if dialect == "openai_completions" else CODECS[dialect].reader()
    return [*reader.feed(body), *reader.finish()]


def text_of(events: Sequence[ChatEvent]) -> str:
    """All text that events say."""
    return "".join([event.text for event in events if isinstance(event, Said)])


def documents(dialect: str, body: bytes) -> list[Any]:
    """The documents of a stream's events."""
    if dialect == "bedrock_converse":
        from gateway.wire.bedrock_converse.events import read_event

        return [{"type": (event := read_event(raw)).name, **event.document()} for raw in FrameSplitter().feed(body)]
    lines = [line[6:] for raw in EventSplitter().feed(body) for line in raw.splitlines() if line.startswith(b"data: ")]
    return [orjson.loads(line) for line in lines if line != b"[DONE]"]
