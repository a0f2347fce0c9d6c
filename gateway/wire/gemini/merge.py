"""Events of a stream put together to the answer they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import InvalidAnswer
from gateway.wire.gemini.spelling import listed, read
from gateway.wire.gemini.stream import (
    ENVELOPE,
    MAX_EVENT_BYTES,
    candidate_index,
    envelope_of,
    load_object,
    write_event,
)
from gateway.wire.shapes import is_array, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

_GROWS = frozenset({"text", "thought", "thoughtSignature"})


class Candidate:
    """What was read of one candidate."""

    __slots__ = ("fields", "parts", "texts")

    def __init__(self, index: int) -> None:
        self.fields: dict[str, Any] = {"index": index}
        self.parts: list[Any] = []
        # Pieces of the last text: joined once, so that n pieces cost n.
        self.texts: list[str] = []

    def add(self, candidate: dict[str, Any]) -> None:
        """Take more of it."""
        for part in listed(read(candidate.get("content"), "parts")):
            self._add(part)
        for name, value in candidate.items():
            if name == "logprobsResult" and name in self.fields:
                self.fields[name] = _longer(self.fields[name], value)
            elif name not in ("content", "index"):
                self.fields[name] = value

    def whole(self) -> dict[str, Any]:
        """All of it."""
        self._close()
        index = self.fields.pop("index")
        content = {"content": {"parts": self.parts, "role": "model"}} if self.parts else {}
        return {**content, **self.fields, "index": index}

    def _add(self, part: Any) -> None:
        text = part.get("text") if is_object(part) else None
        if not is_text(text) or not part.keys() <= _GROWS:
            self._close()
            self.parts.append(part)
            return
        last = self.parts[-1] if self.texts else None
        if last is None or last.get("thought") != part.get("thought") or "thoughtSignature" in last:
            self._close()
            last = {**part}
            self.parts.append(last)
        self.texts.append(text)
        if "thoughtSignature" in part:
            last["thoughtSignature"] = part["thoughtSignature"]

    def _close(self) -> None:
        if self.texts:
            self.parts[-1]["text"] = "".join(self.texts)
            self.texts = []


def assemble(kept: list[bytes]) -> dict[str, Any]:
    """Put the kept bytes of a stream together as the whole answer they stand for; a cut-off tail is left out."""
    answer: dict[str, Any] = {}
    candidates: dict[int, Candidate] = {}
    for event in events_of(kept):
        found = event.get("candidates")
        for candidate in found if is_array(found) else ():
            if is_object(candidate):
                index = candidate_index(candidate)
                candidates.setdefault(index, Candidate(index)).add(candidate)
        answer |= {name: value for name, value in event.items() if name != "candidates" and name not in ENVELOPE}
        answer |= envelope_of(event)
    return {"candidates": [candidates[index].whole() for index in sorted(candidates)], **answer}


def events_of(kept: list[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream's kept bytes; what is cut off or no event is left out."""
    try:
        raws = EventSplitter(max_event_bytes=MAX_EVENT_BYTES).feed(b"".join(kept))
    except InvalidAnswer:
        return
    for raw in raws:
        event = parse_event(raw)
        if event is None:
            continue
        try:
            yield load_object(event.data)
        except InvalidAnswer:
            continue


def restream(document: Any) -> bytes:
    """Write a whole answer as the stream it might have come in: one event."""
    return write_event(document) if is_object(document) else b""


def _longer(known: Any, more: Any) -> Any:
    if not (is_object(known) and is_object(more)):
        return more
    joined = {
        name: [*listed(read(known, name)), *listed(read(more, name))] for name in ("topCandidates", "chosenCandidates")
    }
    return {name: items for name, items in joined.items() if items}
