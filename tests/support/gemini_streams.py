"""Gemini streams made up for property tests, scripts that answer as Google does, and what a client reads."""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from typing import Any

import msgspec
import orjson
from hypothesis import strategies as st

from tests.support.chat_streams import PIECES
from tests.support.provider import END, EVENTS, Step, chunk, whole
from tests.support.streams import client_chunks

MODEL = "gemini-2.5-flash-001"
SIGNATURE = base64.b64encode(bytes(range(7, 200))).decode()
# The virtual key that clients of a gateway come with.
KEY = "wb-" + "k" * 40
# 600 of the 1000 were cached; thoughts come on top of what the candidates wrote.
USAGE = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 600,
    "candidatesTokenCount": 180,
    "thoughtsTokenCount": 120,
    "totalTokenCount": 1300,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}],
}


def event(*candidates: dict[str, Any], **more: Any) -> bytes:
    """One event, framed as Google frames it."""
    document = {"candidates": list(candidates), "modelVersion": MODEL, "responseId": "r-1", **more}
    return b"data: " + orjson.dumps(document) + b"\r\n\r\n"


def candidate(*parts: Any, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    return {**content, **({"finishReason": finish} if finish else {}), "index": index, **more}


def answer_of(*parts: Any, finish: str = "STOP", **more: Any) -> dict[str, Any]:
    """A whole answer."""
    usage = {"usageMetadata": USAGE, "modelVersion": MODEL, "responseId": "r-1"}
    return {"candidates": [candidate(*parts, finish=finish)], **usage, **more}


def answer(
    document: Any, status: str = "200 OK", head: bytes = b"content-type: application/json; charset=UTF-8\r\n"
) -> list[Step]:
    return [whole(orjson.dumps(document), status, head)]


def stream(*events: bytes) -> list[Step]:
    """A streamed answer, an event a chunk."""
    return [EVENTS, *(chunk(each) for each in events), END]


def interrupted(go_on: asyncio.Event, first: bytes, *rest: bytes) -> list[Step]:
    """A stream whose first event has arrived before the others are sent."""
    head, begun, *more = stream(first, *rest)
    return [head, begun, go_on, *more]


def said(*words: str, usage: dict[str, Any] | None = USAGE) -> list[bytes]:
    """The events of a text."""
    return [
        *(event(candidate({"text": word})) for word in words[:-1]),
        event(candidate({"text": words[-1]}, finish="STOP"), **({"usageMetadata": usage} if usage else {})),
    ]


def failure(code: int, status: str, message: str = "It went wrong.", *details: Any) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    return {"error": {**error, "details": list(details)} if details else error}


class MadeUp(msgspec.Struct):
    """A stream, and what a client without a gateway would read from it."""

    events: list[bytes]
    texts: dict[tuple[int, str], str]

    @property
    def data(self) -> bytes:
        return b"".join(self.events)


_PART = st.one_of(
    PIECES.map(lambda text: {"text": text}),
    PIECES.map(lambda text: {"text": text, "thought": True}),
    PIECES.map(lambda text: {"text": text, "thoughtSignature": SIGNATURE}),
    PIECES.map(lambda text: {"functionCall": {"name": "look", "args": {"q": text}}, "thoughtSignature": SIGNATURE}),
)


@st.composite
def made_up_streams(draw: st.DrawFn) -> MadeUp:
    """Streams of two candidates, sometimes both in one event."""
    queues: list[list[tuple[list[Any], str | None]]] = []
    for _ in range(2):
        groups = draw(st.lists(st.lists(_PART, min_size=1, max_size=3), max_size=5))
        last = draw(st.lists(_PART, max_size=2))
        queues.append([*((group, None) for group in groups), (last, "STOP")])
    turns = iter(draw(st.lists(st.sampled_from([(0,), (1,), (0, 1), ()]), max_size=12)))
    texts: dict[tuple[int, str], str] = defaultdict(str)
    events: list[bytes] = []
    while any(queues):
        turn = next(turns, (0, 1))
        if not turn:
            events.append(b": ping\r\n\r\n")
        shown: list[dict[str, Any]] = []
        for index in (index for index in turn if queues[index]):
            parts, finish = queues[index].pop(0)
            read_parts(texts, index, parts)
            shown.append(candidate(*parts, index=index, finish=finish))
        if shown:
            events.append(event(*shown, usageMetadata={"promptTokenCount": 3}))
    return MadeUp(events, {place: text for place, text in texts.items() if text})


def read_parts(texts: dict[tuple[int, str], str], index: int, parts: list[Any]) -> None:
    for part in parts:
        if "functionCall" in part:
            call = part["functionCall"]
            texts[index, "calls"] += f"{call['name']}({call.get('args', {}).get('q', '')})\n"
        elif "text" in part:
            texts[index, "thought" if part.get("thought") else "text"] += part["text"]


def client_texts(data: bytes) -> dict[tuple[int, str], str]:
    """What a client has read so far, by candidate."""
    texts: dict[tuple[int, str], str] = defaultdict(str)
    for document in client_chunks(data):
        for each in document.get("candidates", ()):
            read_parts(texts, each["index"], each.get("content", {}).get("parts", []))
    return {place: text for place, text in texts.items() if text}
