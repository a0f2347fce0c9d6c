"""Scripts for the scripted provider that answer as Bedrock does, streams included, and Amazon's official client."""

from __future__ import annotations

import base64
from contextlib import closing
from typing import Any

import boto3
import orjson
from botocore.config import Config

from gateway.wire.aws_eventstream import encode
from tests.support.provider import END, Step, chunk, whole

MODEL = "anthropic.claude-haiku-4-5-20251001-v1:0"
REGION = "eu-west-1"
SEAL = "c2lnbmVkIGJ5IHRoZSBwcm92aWRlcg" * 8
JSON_HEAD = b"content-type: application/json\r\nx-amzn-requestid: 11111111-2222-3333-4444-555555555555\r\n"
FRAMES_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n"
    b"x-amzn-requestid: 11111111-2222-3333-4444-555555555555\r\n\r\n"
)
# Buckets that do not overlap: 100 fresh, 600 read from the cache, 300 written to it.
USAGE = {
    "inputTokens": 100,
    "outputTokens": 200,
    "totalTokens": 1200,
    "cacheReadInputTokens": 600,
    "cacheWriteInputTokens": 300,
}
PRICES = """
- {provider: aws, model: anthropic.claude-haiku-*, input: 1.0, output: 5.0, cached_input: 0.1, cache_write: 1.25}
"""
COST_NANOUSD = 100 * 1000 + 600 * 100 + 300 * 1250 + 200 * 5000
WEATHER: dict[str, Any] = {
    "toolSpec": {
        "name": "weather",
        "description": "Weather in a city.",
        "inputSchema": {
            "json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Let me look.", "signature": SEAL}}}
CALL = {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "Rome"}}}


def client(url: str, *, key: str = "AKIDCLIENT", retries: int = 1, **options: Any) -> Any:
    """Amazon's client before a server; it signs with keys that nobody there knows."""
    config = Config(retries={"total_max_attempts": retries, "mode": "standard"}, read_timeout=60)
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key="client-secret",
        config=config,
        **options,
    )


def answer(document: Any, status: str = "200 OK", head: bytes = JSON_HEAD) -> list[Step]:
    """A JSON document in one piece."""
    return [whole(orjson.dumps(document), status, head)]


def said(*content: Any, reason: str = "end_turn", usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """An answer; strings are blocks of text."""
    blocks = [{"text": each} if isinstance(each, str) else each for each in content]
    return {
        "output": {"message": {"role": "assistant", "content": blocks}},
        "stopReason": reason,
        "usage": usage or USAGE,
        "metrics": {"latencyMs": 321},
    }


def failed(kind: str, message: str, status: str) -> list[Step]:
    """An error answer."""
    head = JSON_HEAD + f"x-amzn-errortype: {kind}:http://internal.amazon.com/coral/\r\n".encode()
    return answer({"message": message}, status, head)


def frame(name: str, document: Any) -> bytes:
    """An event, filled up as Bedrock does."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return encode(headers, orjson.dumps({**document, "p": "abcdefg"}))


def thrown(kind: str, message: str) -> bytes:
    """An exception in a stream."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return encode(headers, orjson.dumps({"message": message}))


def delta(index: int, piece: dict[str, Any]) -> bytes:
    """More of a block."""
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": piece})


def stop(index: int) -> bytes:
    """The end of a block."""
    return frame("contentBlockStop", {"contentBlockIndex": index})


def text(index: int, *pieces: str) -> list[bytes]:
    """A block of text."""
    return [*(delta(index, {"text": piece}) for piece in pieces), stop(index)]


def thought(index: int, *pieces: str, seal: str = SEAL) -> list[bytes]:
    """A block of thinking, signed or not."""
    signed = [delta(index, {"reasoningContent": {"signature": seal}})] if seal else []
    return [*(delta(index, {"reasoningContent": {"text": piece}}) for piece in pieces), *signed, stop(index)]


def call(index: int, *pieces: str, name: str = "weather") -> list[bytes]:
    """A block that calls a tool."""
    start = {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": f"tooluse_{index}", "name": name}}}
    begun = frame("contentBlockStart", start)
    return [begun, *(delta(index, {"toolUse": {"input": piece}}) for piece in pieces), stop(index)]


START = frame("messageStart", {"role": "assistant"})


def ending(reason: str = "end_turn") -> list[bytes]:
    """The events that end an answer."""
    metadata = {"usage": USAGE, "metrics": {"latencyMs": 321}}
    return [frame("messageStop", {"stopReason": reason}), frame("metadata", metadata)]


def message(*blocks: list[bytes], reason: str = "end_turn") -> list[bytes]:
    """A whole stream."""
    return [START, *(each for events in blocks for each in events), *ending(reason)]


def invoked(*documents: Any) -> list[bytes]:
    """A stream of ``invoke``: each document in a frame."""
    return [frame("chunk", {"bytes": base64.b64encode(orjson.dumps(each)).decode()}) for each in documents]


def stream(events: list[bytes]) -> list[Step]:
    """A whole stream, frame by frame."""
    return [FRAMES_HEAD, *(chunk(each) for each in events), END]


def drained(stream: Any) -> list[Any]:
    """Every event of a stream; the official client leaves its connection open when one of them is an exception."""
    with closing(stream):
        return list(stream)


def gathered(events: Any) -> dict[str, Any]:
    """Put a stream together as programs that use the official client do."""
    blocks: dict[int, dict[str, Any]] = {}
    told: dict[str, Any] = {}
    for event in drained(events):
        ((name, held),) = event.items()
        if name == "contentBlockStart":
            blocks[held["contentBlockIndex"]] = {"toolUse": {**held["start"]["toolUse"], "input": ""}}
        elif name == "contentBlockDelta":
            _add(blocks.setdefault(held["contentBlockIndex"], {}), held["delta"])
        elif name in ("messageStop", "metadata"):
            told |= held
    content = [block for _, block in sorted(blocks.items())]
    for block in content:
        if "toolUse" in block:
            block["toolUse"]["input"] = orjson.loads(block["toolUse"]["input"] or "{}")
    return {"content": content, **told}


def _add(block: dict[str, Any], piece: dict[str, Any]) -> None:
    if "text" in piece:
        block["text"] = block.get("text", "") + piece["text"]
    elif "toolUse" in piece:
        block["toolUse"]["input"] += piece["toolUse"]["input"]
    elif "reasoningContent" in piece:
        held = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        for name, value in piece["reasoningContent"].items():
            held[name] = held.get(name, "") + value
