"""What it costs to carry a streamed answer into another dialect: CPU time a chunk, the client's own reader included.

python -m loadtests.crossing
"""

from __future__ import annotations

import importlib
import time
from typing import Any

from gateway.core.chat import ChatRequest
from gateway.core.chat_events import Began, ChatEvent, Ended, Finished, Said
from gateway.core.codec import ClientCodec, WireRequest
from gateway.core.exchange import Request
from gateway.core.ports import Dialect
from gateway.core.usage import Usage
from gateway.wire import aws_eventstream, invoked
from gateway.wire.bridge import CODECS, EVENTS, Bridge, Crossing, Spare

CHUNKS, ROUNDS = 1000, 5
# Bodies of ``invoke``, one in each form.
BODIES: dict[str, Any] = {
    "invoke (anthropic)": {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": []},
    "invoke (nova)": {"schemaVersion": "messages-v1", "messages": []},
    "invoke (chat)": {"messages": []},
}
CLIENTS = (*CODECS, *BODIES)
_INVOKE = "/model/m/invoke-with-response-stream"


def asked_in(client: str) -> tuple[ClientCodec, Dialect, ChatRequest]:
    """Who reads and writes for a client, and what it asked."""
    body = BODIES.get(client)
    if body is not None:
        return invoked.CODEC, invoked.dialect_of(body), invoked.CODEC.read_request(body, _INVOKE)
    dialect: Dialect = importlib.import_module(f"gateway.wire.{client}").DIALECT
    return CODECS[client], dialect, ChatRequest(dialect=client, model="m", turns=(), stream=True)


def provider_stream(provider: str, chunks: int = CHUNKS) -> list[bytes]:
    """A stream of a provider's, one chunk a read."""
    _, _, asked = asked_in(provider)
    writer = CODECS[provider].writer(asked)
    usage = Usage(input_fresh_tokens=9, output_text_tokens=chunks)
    events: list[ChatEvent] = [
        Began(id="answer-1", model="m-1", created_s=1),
        *(Said(choice=0, text=f" word{n}") for n in range(chunks)),
        Finished(choice=0, finish="stop"),
        Ended(usage=usage),
    ]
    return [data for each in events if (data := writer.write([each]))]


def cost_us(provider: str, client: str, pieces: list[bytes]) -> float:
    """The least CPU time a chunk of several rounds, in microseconds."""
    codec, dialect, asked = asked_in(client)
    bridge = Bridge(codec, CODECS[provider])
    request = Request(dialect=client, operation="chat", route="", upstream_path="", stream=True)
    media = aws_eventstream.MEDIA_TYPE if provider == "bedrock_converse" else EVENTS
    best = float("inf")
    for _ in range(ROUNDS):
        stream = Crossing(bridge, asked, WireRequest(path="/", document={}), (), Spare("id", 1)).stream(media)
        reader = dialect.stream_reader(request, None)
        began = time.process_time()
        for piece in pieces:
            if told := stream.feed(piece):
                reader.feed(told)
        best = min(best, time.process_time() - began)
    return best / len(pieces) * 1e6


def main() -> None:
    """Measure every client before every provider."""
    worst = 0.0
    for provider in CODECS:
        pieces = provider_stream(provider)
        for client in CLIENTS:
            if client != provider:
                cost = cost_us(provider, client, pieces)
                worst = max(worst, cost)
                print(f"{provider} -> {client}: {cost:.1f} us a chunk")
    print(f"the most: {worst:.1f} us a chunk")


if __name__ == "__main__":
    main()
