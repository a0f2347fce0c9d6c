"""Streams of Anthropic messages made up for property tests, and what a client reads from such streams."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
import orjson
from hypothesis import strategies as st

from gateway.wire.anthropic_messages.events import MESSAGE_STOP, delta, event

PIECES = st.sampled_from(
    ["S", "SE", "SEC", "SECR", "RET", "CRET", "T", "SECRET", " ", "a", "é", '"', "\n", "[X]", "end."]
)
SEAL = "c2lnbmVkIGJ5IHRoZSBwcm92aWRlcg" * 8
START = event(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 5,
            "output_tokens": 1,
        },
    },
)
PING = event("ping")
FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def last(reason: str = "end_turn", **usage: Any) -> bytes:
    """The event that says why a message ends."""
    return event(
        "message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 42, **usage}
    )


def block(index: int, start: dict[str, Any], *deltas: bytes) -> list[bytes]:
    """A whole block."""
    return [
        event("content_block_start", index=index, content_block=start),
        *deltas,
        event("content_block_stop", index=index),
    ]


def text(index: int, *pieces: str) -> list[bytes]:
    """A block of text."""
    return block(index, {"type": "text", "text": ""}, *(delta(index, "text_delta", text=piece) for piece in pieces))


def thought(index: int, *pieces: str, seal: str = SEAL) -> list[bytes]:
    """A block of thinking, signed or not."""
    signed = [delta(index, "signature_delta", signature=seal)] if seal else []
    start = {"type": "thinking", "thinking": "", "signature": ""}
    return block(index, start, *(delta(index, "thinking_delta", thinking=piece) for piece in pieces), *signed)


def call(index: int, *pieces: str, name: str = "look") -> list[bytes]:
    """A block that calls a tool."""
    start = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
    return block(index, start, *(delta(index, "input_json_delta", partial_json=piece) for piece in pieces))


def message(*blocks: list[bytes], reason: str = "end_turn") -> list[bytes]:
    """A whole stream."""
    return [START, *(each for events in blocks for each in events), last(reason), MESSAGE_STOP]


class MadeUp(msgspec.Struct):
    """A stream, and the texts that a client without a gateway would read from it."""

    events: list[bytes]
    texts: dict[tuple[int, str], str]

    @property
    def data(self) -> bytes:
        return b"".join(self.events)


@st.composite
def arguments(draw: st.DrawFn) -> str:
    """Arguments of a call: a JSON object."""
    values = st.recursive(
        PIECES | st.integers(-9, 9) | st.booleans(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "SECRET", "b"]), inner),
        max_leaves=4,
    )
    return orjson.dumps(draw(st.dictionaries(st.sampled_from(["q", "SECRET", "to"]), values, max_size=3))).decode()


@st.composite
def made_up_messages(draw: st.DrawFn) -> MadeUp:
    """Streams of text, unsigned thoughts and calls of tools, with signs of life between them."""
    kinds = draw(st.lists(st.sampled_from(["text", "thought", "call"]), max_size=5))
    events = [START]
    texts: dict[tuple[int, str], str] = defaultdict(str)
    for index, kind in enumerate(kinds):
        if kind == "call":
            whole = draw(arguments() | PIECES | st.just(""))
            at = draw(st.integers(0, len(whole)))
            pieces = [whole[:at], whole[at:]] if whole else []
            name = draw(st.sampled_from(["look", "tell_SECRET"]))
            texts[index, "name"] += name
            made = call(index, *pieces, name=name)
        else:
            pieces = draw(st.lists(PIECES, max_size=5))
            made = text(index, *pieces) if kind == "text" else thought(index, *pieces, seal="")
        texts[index, {"call": "partial_json", "text": "text", "thought": "thinking"}[kind]] += "".join(pieces)
        for each in made:
            if draw(st.booleans()):
                events.append(PING)
            events.append(each)
    return MadeUp([*events, last(), MESSAGE_STOP], {place: said for place, said in texts.items() if said})


def client_events(data: bytes) -> list[dict[str, Any]]:
    """The events a client reads: as the official one, it leaves out what has no name of its own."""
    found: list[dict[str, Any]] = []
    for raw in data.replace(b"\r\n", b"\n").split(b"\n\n"):
        parts = [line.partition(b": ") for line in raw.split(b"\n") if line]
        lines = {name: value for name, _, value in parts}
        if b"event" in lines and b"data" in lines:
            document = orjson.loads(lines[b"data"])
            assert document["type"] == lines[b"event"].decode()
            found.append(document)
    return found


def client_texts(data: bytes) -> dict[tuple[int, str], str]:
    """What a client has read so far, by block and field."""
    texts: dict[tuple[int, str], str] = defaultdict(str)
    for document in client_events(data):
        if document["type"] == "content_block_start":
            begun = document["content_block"]
            for name in ("name", "text", "thinking"):
                texts[document["index"], name] += begun.get(name, "")
        elif document["type"] == "content_block_delta":
            name = FIELDS.get(document["delta"]["type"])
            if name:
                texts[document["index"], name] += document["delta"][name]
    return {place: said for place, said in texts.items() if said}
