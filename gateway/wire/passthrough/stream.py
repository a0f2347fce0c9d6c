"""A stream of unknown shape on its way: passed on at once, read on the side."""

from __future__ import annotations

import re
from typing import Any

import orjson

from gateway.core.errors import InvalidAnswer
from gateway.core.exchange import AnswerFacts
from gateway.core.ports import StreamMark
from gateway.wire.passthrough.answer import read_answer
from gateway.wire.passthrough.text import spoken
from gateway.wire.shapes import is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

# What is kept for capture and for counting tokens that nobody reported.
KEPT_BYTES = 262_144
# Images come as one event. A longer one still passes; the stream is then no longer read on the side.
_MAX_EVENT_BYTES = 4 << 20
_BEFORE_EVENTS = b"\xef\xbb\xbf\r\n"
_FIRST_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_DATA_LINE = re.compile(rb"(?:^|[\r\n])data:")
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_NO_MORE = b"[DONE]"


class PassThroughReader:
    """Returns the bytes as they come, whatever they are.

    When they are server-sent events, their number, usage, model and status are read on the way. What is not (audio, a
    file) is not looked at.

    Attributes:
        facts, done, kept: See :class:`gateway.core.ports.StreamReader`. ``done`` never becomes true: nobody knows the
            end marker, so the end of the body is the end.
    """

    __slots__ = ("_head", "_room", "_splitter", "_undecided", "done", "facts", "kept")

    def __init__(self) -> None:
        self.facts = AnswerFacts()
        self.done = False
        self.kept: list[bytes] = []
        self._room = KEPT_BYTES
        self._splitter: EventSplitter | None = EventSplitter(max_event_bytes=_MAX_EVENT_BYTES)
        self._undecided = True
        self._head = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and return them."""
        if self._splitter is not None:
            self._read(self._splitter, data)
        return data

    def finish(self) -> bytes:
        """Take the end of the body; nothing was held back."""
        if self._splitter is not None and not self._undecided:
            self._event(self._splitter.rest())
        self._splitter = None
        return b""

    def mark(self) -> StreamMark:
        """Return this moment: see :meth:`gateway.core.ports.StreamReader.mark`."""
        return 0, len(self.kept)

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        del self.kept[mark[1] :]
        self._room = 0

    def _read(self, splitter: EventSplitter, data: bytes) -> None:
        if self._undecided:
            data = self._head = (self._head + data).lstrip(_BEFORE_EVENTS)
            if not data.startswith(_FIRST_FIELDS):
                if not any(field.startswith(data) for field in _FIRST_FIELDS):
                    self._splitter = None
                return
            self._undecided = False
        self._keep(data)
        try:
            events = splitter.feed(data)
        except InvalidAnswer:
            self._splitter = None
            return
        for event in events:
            self._event(event)

    def _keep(self, data: bytes) -> None:
        if self._room > 0:
            self.kept.append(data[: self._room])
            self._room -= len(data)

    def _event(self, raw: bytes) -> None:
        if not raw.startswith(b"data:") and _DATA_LINE.search(raw) is None:
            return
        if _NO_MORE in raw and is_end(raw):
            return
        self.facts.chunks += 1
        if b'"usage"' in raw and _USAGE.search(raw) is not None:
            self._learn(raw)

    def _learn(self, raw: bytes) -> None:
        document = load_event(raw)
        # Responses wraps its document in the event that completes it.
        inner = document.get("response") if is_object(document) else None
        learned = read_answer(inner if is_object(inner) else document)
        facts = self.facts
        facts.model_served = learned.model_served or facts.model_served
        facts.finish_reason = learned.finish_reason or facts.finish_reason
        facts.usage = learned.usage or facts.usage


def is_end(raw: bytes) -> bool:
    """Say whether an event is OpenAI's end marker."""
    event = parse_event(raw)
    return event is not None and event.data.strip() == _NO_MORE


def load_event(raw: bytes) -> Any:
    """Parse the data of one event; ``None`` when it is no JSON."""
    event = parse_event(raw)
    if event is None:
        return None
    try:
        return orjson.loads(event.data)
    except orjson.JSONDecodeError:
        return None


def documents_of(kept: list[bytes]) -> list[Any]:
    """Parse the whole events among a stream's kept bytes; what is no JSON is left out."""
    data = b"".join(kept)
    loaded = [load_event(raw) for raw in EventSplitter(max_event_bytes=len(data)).feed(data)]
    return [document for document in loaded if document is not None]


def spoken_in(kept: list[bytes]) -> str:
    """Join what a model wrote in a stream.

    Responses says every text as deltas and again in events that conclude a part: only its deltas count.
    """
    parts: list[str] = []
    for document in documents_of(kept):
        delta = document.get("delta") if is_object(document) else None
        if is_text(delta):
            parts.append(delta)
        elif not (is_object(document) and str(document.get("type", "")).startswith("response.")):
            parts.append(spoken(document))
    return "".join(parts)


def transcript(kept: list[bytes]) -> bytes:
    """Write a stream as one document: the one that its last event carries, else the list of its events."""
    documents = documents_of(kept)
    last = documents[-1] if documents else None
    whole = last.get("response") if is_object(last) else None
    try:
        return orjson.dumps(whole if is_object(whole) else {"events": documents})
    except orjson.JSONEncodeError:
        return b"{}"
