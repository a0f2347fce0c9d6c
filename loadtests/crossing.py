"""What it costs to carry a streamed answer into another dialect: CPU time a chunk, the client's own reader included.

python -m loadtests.crossing
"""

from __future__ import annotations

import importlib
import time

import orjson

from gateway.core.chat import ChatRequest
from gateway.core.codec import WireRequest
from gateway.core.exchange import Request
from gateway.wire.bridge import CODECS, Bridge, Crossing, Spare

CHUNKS, ROUNDS = 2000, 7
PROVIDER = "openai_chat"


def provider_stream() -> list[bytes]:
    """A chat stream, one event a read."""
    envelope = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
    deltas = [({"role": "assistant", "content": ""}, None), *(({"content": f" word{n}"}, None) for n in range(CHUNKS))]
    events = [
        {**envelope, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
        for delta, finish in [*deltas, ({}, "stop")]
    ]
    return [*(b"data: " + orjson.dumps(event) + b"\n\n" for event in events), b"data: [DONE]\n\n"]


def cost_us(client: str, pieces: list[bytes]) -> float:
    """The least CPU time a chunk of several rounds, in microseconds."""
    dialect = importlib.import_module(f"gateway.wire.{client}").DIALECT
    bridge = Bridge(CODECS[client], CODECS[PROVIDER])
    asked = ChatRequest(dialect=client, model="m", turns=(), stream=True)
    request = Request(dialect=client, operation="chat", route="", upstream_path="", stream=True)
    best = float("inf")
    for _ in range(ROUNDS):
        stream = Crossing(bridge, asked, WireRequest(path="/", document={}), (), Spare("id", 1)).stream()
        reader = dialect.stream_reader(request, None)
        began = time.process_time()
        for piece in pieces:
            if told := stream.feed(piece):
                reader.feed(told)
        best = min(best, time.process_time() - began)
    return best / len(pieces) * 1e6


if __name__ == "__main__":
    stream = provider_stream()
    for name in CODECS:
        print(f"{PROVIDER} -> {name}: {cost_us(name, stream):.1f} us a chunk")
