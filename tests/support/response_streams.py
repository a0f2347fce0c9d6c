"""Answers of Responses and their streams, made up: what a provider sends in odd deltas, and what a client reads."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
import orjson
from hypothesis import strategies as st

from tests.support.chat_streams import PIECES

USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 100},
    "output_tokens": 300,
    "output_tokens_details": {"reasoning_tokens": 120},
    "total_tokens": 1300,
}
_STEMS = {
    "output_text": ("response.output_text", "text", "content_index", "response.content_part"),
    "refusal": ("response.refusal", "refusal", "content_index", "response.content_part"),
    "reasoning_text": ("response.reasoning_text", "text", "content_index", "response.content_part"),
    "summary_text": (
        "response.reasoning_summary_text",
        "text",
        "summary_index",
        "response.reasoning_summary_part",
    ),
}
_INPUTS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
    "mcp_call": ("response.mcp_call_arguments", "arguments"),
    "code_interpreter_call": ("response.code_interpreter_call_code", "code"),
}


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole answer."""
    return {
        "id": "resp_0123456789abcdef",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "gpt-m-2026",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "tool_choice": "auto",
        "tools": [],
        "usage": USAGE,
        **more,
    }


def message(*texts: str, number: int = 0, refusal: str = "") -> dict[str, Any]:
    """What the model says."""
    content: list[dict[str, Any]] = [
        {"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts
    ]
    if refusal:
        content.append({"type": "refusal", "refusal": refusal})
    return {
        "type": "message",
        "id": f"msg_{number:016x}",
        "status": "completed",
        "role": "assistant",
        "content": content,
    }


def reasoning(*summary: str, number: int = 0, content: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the model thought."""
    item: dict[str, Any] = {
        "type": "reasoning",
        "id": f"rs_{number:016x}",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
    }
    if content:
        item["content"] = [{"type": "reasoning_text", "text": text} for text in content]
    return item


def call(name: str, arguments: str, number: int = 0) -> dict[str, Any]:
    """A call of a function."""
    return {
        "type": "function_call",
        "id": f"fc_{number:016x}",
        "call_id": f"call_{number}",
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def custom(name: str, text: str, number: int = 0) -> dict[str, Any]:
    """A call of a tool that takes free text."""
    return {
        "type": "custom_tool_call",
        "id": f"ctc_{number:016x}",
        "call_id": f"call_{number}",
        "name": name,
        "input": text,
    }


def event(document: dict[str, Any]) -> bytes:
    """One event."""
    return b"event: %b\ndata: %b\n\n" % (document["type"].encode(), orjson.dumps(document))


class Stream:
    """Builds the events of an answer, numbered."""

    def __init__(self, first: int = 0) -> None:
        self.events: list[bytes] = []
        self.number = first

    def add(self, kind: str, **more: Any) -> None:
        self.events.append(event({"type": kind, "sequence_number": self.number, **more}))
        self.number += 1

    @property
    def data(self) -> bytes:
        return b"".join(self.events)

    def begin(self, whole: dict[str, Any]) -> None:
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        self.add("response.created", response=begun)
        self.add("response.in_progress", response=begun)

    def item(self, at: int, item: dict[str, Any], cut: Any = lambda text: [text]) -> None:
        """The events of one item, its texts cut by ``cut``."""
        kind = item["type"]
        lists = [name for name in ("summary", "content") if name in item]
        begun = {**item, **{name: [] for name in lists}}
        if "status" in item:
            begun["status"] = "in_progress"
        if kind in _INPUTS:
            begun[_INPUTS[kind][1]] = ""
        self.add("response.output_item.added", output_index=at, item=begun)
        place = {"item_id": item["id"], "output_index": at}
        for name in lists:
            for index, part in enumerate(item[name]):
                self._part(place, index, part, cut)
        if kind in _INPUTS:
            stem, field = _INPUTS[kind]
            for piece in cut(item[field]):
                self.add(f"{stem}.delta", **place, delta=piece)
            self.add(f"{stem}.done", **place, **{field: item[field]})
        self.add("response.output_item.done", output_index=at, item=item)

    def _part(self, place: dict[str, Any], index: int, part: dict[str, Any], cut: Any) -> None:
        stem, field, numbered, around = _STEMS[part["type"]]
        place = {**place, numbered: index}
        logs = {"logprobs": part["logprobs"]} if "logprobs" in part else {}
        self.add(f"{around}.added", **place, part={**part, field: "", **dict.fromkeys(logs, ())})
        for piece in cut(part[field]):
            self.add(f"{stem}.delta", **place, delta=piece, **logs)
        self.add(f"{stem}.done", **place, **{field: part[field]}, **logs)
        self.add(f"{around}.done", **place, part=part)

    def end(self, whole: dict[str, Any]) -> None:
        self.add(f"response.{whole['status']}", response=whole)


def streamed(whole: dict[str, Any], cut: Any = lambda text: [text]) -> Stream:
    """The whole stream of an answer."""
    stream = Stream()
    stream.begin(whole)
    for at, item in enumerate(whole["output"]):
        stream.item(at, item, cut)
    stream.end(whole)
    return stream


def by_three(text: str) -> list[str]:
    """Cut a text into deltas of three characters."""
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def documents(data: bytes) -> list[dict[str, Any]]:
    """The documents of the events that a client has whole."""
    return [
        orjson.loads(line.removeprefix(b"data: "))
        for raw in data.split(b"\n\n")[:-1]
        for line in raw.split(b"\n")
        if line.startswith(b"data: ")
    ]


def told(data: bytes) -> dict[tuple[str, int, int], str]:
    """What deltas add up to, by what they are of, the item and the part."""
    texts: dict[tuple[str, int, int], str] = defaultdict(str)
    for each in documents(data):
        if each["type"].endswith(".delta"):
            index = each.get("content_index", each.get("summary_index", 0))
            texts[each["type"].removesuffix(".delta"), each["output_index"], index] += each["delta"]
    return dict(texts)


def numbers(data: bytes) -> list[int]:
    """The numbers of the events."""
    return [each["sequence_number"] for each in documents(data)]


class MadeUp(msgspec.Struct):
    """A stream, and the answer that it tells of."""

    stream: bytes
    whole: dict[str, Any]


_TEXTS = st.lists(PIECES, min_size=1, max_size=6).map("".join)


@st.composite
def _items(draw: st.DrawFn) -> dict[str, Any]:
    number = draw(st.integers(0, 2**32))
    kind = draw(st.sampled_from(["message", "message", "reasoning", "call", "custom"]))
    if kind == "message":
        refusal = draw(st.sampled_from(["", "no SECRET", "SEC"]))
        return message(*draw(st.lists(_TEXTS, max_size=2)), number=number, refusal=refusal)
    if kind == "reasoning":
        return reasoning(
            *draw(st.lists(_TEXTS, max_size=2)), number=number, content=tuple(draw(st.lists(_TEXTS, max_size=1)))
        )
    if kind == "call":
        return call(draw(st.sampled_from(["look", "tell_SECRET"])), orjson.dumps({"a": draw(_TEXTS)}).decode(), number)
    return custom("run", draw(_TEXTS), number)


@st.composite
def made_up_streams(draw: st.DrawFn) -> MadeUp:
    """Streams of a few items of any kind, each text in deltas of any size."""
    whole = response(
        *draw(st.lists(_items(), max_size=3)), instructions=draw(st.sampled_from([None, "be SECRET", "be kind"]))
    )
    sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=6))

    def cut(text: str) -> list[str]:
        pieces, at, turn = [], 0, 0
        while at < len(text):
            size = sizes[turn % len(sizes)]
            pieces.append(text[at : at + size])
            at, turn = at + size, turn + 1
        return pieces

    return MadeUp(streamed(whole, cut).data, whole)


def redacted(value: Any) -> Any:
    """An answer as the toy screen leaves it."""
    return orjson.loads(orjson.dumps(value).replace(b"SECRET", b"[X]"))
