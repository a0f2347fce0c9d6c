"""Streams of Bedrock's made up for property tests, and what a client reads from such streams."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import orjson
from botocore.eventstream import EventStreamBuffer
from hypothesis import strategies as st

from gateway.core.chat import ChatRequest
from tests.support.bedrock_script import START, call, ending, text, thought
from tests.support.message_streams import PIECES, MadeUp, arguments

ASKED = ChatRequest(dialect="bedrock_converse", model="m", turns=())


@st.composite
def made_up(draw: st.DrawFn) -> MadeUp:
    """Streams of text, unsigned thoughts and calls of tools."""
    events = [START]
    texts: dict[tuple[int, str], str] = defaultdict(str)
    for index, kind in enumerate(draw(st.lists(st.sampled_from(["text", "reasoning", "call"]), max_size=5))):
        if kind == "call":
            whole = draw(arguments())
            at = draw(st.integers(0, len(whole)))
            pieces = [whole[:at], whole[at:]]
            name = draw(st.sampled_from(["look", "tell_SECRET"]))
            texts[index, "name"] = name
            events += call(index, *pieces, name=name)
        else:
            pieces = draw(st.lists(PIECES, max_size=5))
            events += text(index, *pieces) if kind == "text" else thought(index, *pieces, seal="")
        texts[index, {"call": "input"}.get(kind, kind)] += "".join(pieces)
    return MadeUp([*events, *ending()], {place: said for place, said in texts.items() if said})


def client_events(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events of whole frames, as the official client's own parser reads them."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    found: list[tuple[str, dict[str, Any]]] = []
    for each in buffer:
        name = each.headers.get(":event-type") or each.headers[":exception-type"]
        found.append((name, orjson.loads(each.payload)))
    return found


def client_texts(data: bytes) -> dict[tuple[int, str], str]:
    """What a client has read so far, by block and field."""
    texts: dict[tuple[int, str], str] = defaultdict(str)
    for name, document in client_events(data):
        index = document.get("contentBlockIndex", 0)
        if name == "contentBlockStart":
            texts[index, "name"] += document["start"]["toolUse"]["name"]
        elif name == "contentBlockDelta":
            piece = document["delta"]
            texts[index, "text"] += piece.get("text", "")
            texts[index, "input"] += piece.get("toolUse", {}).get("input", "")
            texts[index, "reasoning"] += piece.get("reasoningContent", {}).get("text", "")
    return {place: said for place, said in texts.items() if said}
