"""Chat streams made up for property tests: several choices, kinds of text and tool calls, cut into odd deltas."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
from hypothesis import strategies as st

from gateway.wire.openai_stream import DONE, write_event

PIECES = st.sampled_from(
    ["S", "SE", "SEC", "SECR", "RET", "CRET", "T", "SECRET", " ", "a", "é", '"', "\n", "[X]", "end."]
)
KINDS = ("content", "reasoning_content", "refusal", "vendor_text")


class MadeUp(msgspec.Struct):
    """A stream, and the texts that a client without a gateway would read from it."""

    events: list[bytes]
    texts: dict[tuple[int, str], str]

    @property
    def data(self) -> bytes:
        return b"".join(self.events)


def _text_deltas(kind: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(PIECES, min_size=1, max_size=4).map(lambda pieces: [{kind: piece} for piece in pieces])


@st.composite
def _call_deltas(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    name = draw(st.sampled_from(["look", "tell_SECRET", "SEC"]))
    pieces = draw(st.lists(PIECES, max_size=4))
    first = {"index": number, "id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": ""}}
    rest = [{"index": number, "function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [call]} for call in (first, *rest)]


@st.composite
def _choice(draw: st.DrawFn, index: int) -> list[tuple[dict[str, Any], str | None]]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=4)):
        deltas += draw(_text_deltas(kind))
    for number in range(draw(st.integers(0, 2))):
        deltas += draw(_call_deltas(number))
    last = draw(st.sampled_from([{}, {"content": ""}, {"content": "SEC"}, {"refusal": "RET"}]))
    queue: list[tuple[dict[str, Any], str | None]] = [(delta, None) for delta in deltas]
    return [*queue, (last, "stop")]


@st.composite
def made_up_streams(draw: st.DrawFn) -> MadeUp:
    """Streams of two choices, interleaved, sometimes both in one chunk, with log probabilities."""
    queues = [draw(_choice(0)), draw(_choice(1))]
    turns = iter(draw(st.lists(st.sampled_from([(0,), (1,), (0, 1), ()]), max_size=20)))
    texts: dict[tuple[int, str], str] = defaultdict(str)
    events: list[bytes] = []
    while any(queues):
        turn = next(turns, (0, 1))
        if not turn:
            events.append(b": ping\n\n")
        choices: list[dict[str, Any]] = []
        for index in (index for index in turn if queues[index]):
            delta, reason = queues[index].pop(0)
            _read(texts, index, delta)
            token = {"token": delta.get("content", "")}
            choices.append({"index": index, "delta": delta, "logprobs": {"content": [token]}, "finish_reason": reason})
        if choices:
            events.append(write_event({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices}))
    return MadeUp([*events, DONE], {place: text for place, text in texts.items() if text})


def _read(texts: dict[tuple[int, str], str], index: int, delta: dict[str, Any]) -> None:
    for kind in KINDS:
        texts[index, kind] += delta.get(kind) or ""
    for call in delta.get("tool_calls", ()):
        texts[index, f"name/{call['index']}"] += call["function"].get("name", "")
        texts[index, f"arguments/{call['index']}"] += call["function"]["arguments"]
