"""Streams of Gemini's answers as they pass: framing, facts, the end. Every event is an answer with a piece of the text.

There is no end marker: a stream is whole when every candidate it has begun has a finish reason, or when the provider
would not take the prompt; more may follow a finish reason (where the answer comes from, what it has cost). Providers
are always asked for events; a client that wants one JSON array is given one (:class:`ArrayReader`).
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from gateway.core.errors import Blocked, GatewayError, InvalidAnswer, StreamBroken
from gateway.core.exchange import AnswerFacts, Request
from gateway.core.ports import StreamMark, StreamReader
from gateway.wire.gemini.answer import block_reason, joined_reasons
from gateway.wire.gemini.errors import stream_failure
from gateway.wire.gemini.usage import told_usage
from gateway.wire.shapes import is_array, is_integer, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

KEPT_BYTES = 262_144
MAX_CANDIDATES = 1_024
# An event may hold an image.
MAX_EVENT_BYTES = 33_554_432
# What identifies an event; the rest of it is about its candidates.
ENVELOPE = ("usageMetadata", "modelVersion", "createTime", "responseId")
_BARE = re.compile(rb"\s*[\[{]")


class EventReader:
    """What the readers of a stream share. Subclasses say what becomes of an event.

    Attributes:
        facts, done, kept: See :class:`gateway.core.ports.StreamReader`.
        envelope: The event parsed last.
        finished: Finish reason by candidate.
    """

    __slots__ = ("_blocked", "_failure", "_request", "_room", "_seen", "_splitter", "done", "envelope", "facts",
                 "finished", "kept")  # fmt: skip

    def __init__(self, request: Request) -> None:
        self.facts = AnswerFacts()
        self.done = False
        self.kept: list[bytes] = []
        self.envelope: dict[str, Any] = {}
        self.finished: dict[int, str] = {}
        self._seen: set[int] = set()
        self._blocked = False
        self._request = request
        self._splitter = EventSplitter(max_event_bytes=MAX_EVENT_BYTES)
        self._room = KEPT_BYTES
        self._failure: GatewayError | None = None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        if self._failure is not None:
            return b""
        try:
            events = self._splitter.feed(data)
        except GatewayError as error:
            raise self._failed(error, []) from None
        return self._take(events)

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        if self._failure is not None:
            # What it released was given away when it was raised first.
            self._failure.released = b""
            raise self._failure
        rest = self._splitter.rest()
        last = self._unended(rest) if rest.strip() else b""
        if not (self._blocked or (self.finished and self._seen <= self.finished.keys())):
            raise self._failed(StreamBroken("The provider's stream ended before it was whole."), [last])
        return last

    def mark(self) -> StreamMark:
        """Return this moment: see :meth:`gateway.core.ports.StreamReader.mark`."""
        return len(self.finished), len(self.kept)

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        for index in list(self.finished)[mark[0] :]:
            del self.finished[index]
        del self.kept[mark[1] :]
        self._room = -1

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        self._failure = None
        self._splitter.rest()

    def open_candidates(self) -> list[int]:
        """Candidates that have no finish reason yet, those that were asked for and never seen included."""
        return sorted(self._seen.union(range(self._request.choices)).difference(self.finished))

    def _take(self, events: list[bytes]) -> bytes:
        out: list[bytes] = []
        try:
            for event in events:
                shown = self._event(event)
                self._keep(shown)
                out.append(shown)
        except GatewayError as error:
            raise self._failed(error, out) from None
        return b"".join(out)

    def _failed(self, error: GatewayError, out: list[bytes]) -> GatewayError:
        error.released = b"".join(out)
        self._failure = error
        return error

    def _unended(self, rest: bytes) -> bytes:
        """Take bytes that no empty line ends: nothing, unless it is an error; those come without any framing, too."""
        if rest.endswith(b"\r\n\r"):
            return self._take([rest])
        bare = rest if _BARE.match(rest) else getattr(parse_event(rest), "data", b"")
        try:
            document = orjson.loads(bare)
        except orjson.JSONDecodeError:
            return b""
        if is_array(document) and document:
            document = document[0]
        if is_object(document) and document.get("error"):
            raise self._failed(stream_failure(document["error"]), [])
        return b""

    def _event(self, raw: bytes) -> bytes:
        event = parse_event(raw)
        if event is None:
            self._refuse_bare(raw)
            return raw
        self.facts.chunks += 1
        document = load_object(event.data)
        error = document.get("error")
        if error:
            raise stream_failure(error)
        ended = len(self.finished)
        self._read(document)
        try:
            return self._chunk(raw, document)
        except Blocked:
            # The client was not told of the ends in this event: it is to be told of another.
            for index in list(self.finished)[ended:]:
                del self.finished[index]
            raise

    def _refuse_bare(self, raw: bytes) -> None:
        if _BARE.match(raw):
            try:
                document = orjson.loads(raw)
            except orjson.JSONDecodeError:
                raise InvalidAnswer("The provider sent bytes that are no event.") from None
            error = document.get("error") if is_object(document) else None
            raise stream_failure(error) if error else InvalidAnswer("The provider sent bytes that are no event.")

    def _read(self, document: dict[str, Any]) -> None:
        self.envelope = {**{name: self.envelope[name] for name in ENVELOPE if name in self.envelope}, **document}
        facts = self.facts
        if not facts.model_served and is_text(model := document.get("modelVersion")):
            facts.model_served = model
        facts.usage = told_usage(document, facts.usage)
        candidates = document.get("candidates")
        for candidate in candidates if is_array(candidates) else ():
            if not is_object(candidate):
                continue
            index = candidate_index(candidate)
            self._seen.add(index)
            reason = candidate.get("finishReason")
            if is_text(reason) and reason:
                self.finished[index] = reason
                facts.finish_reason = joined_reasons(self.finished[i] for i in sorted(self.finished))
        if blocked := block_reason(document):
            self._blocked = True
            facts.finish_reason = facts.finish_reason or blocked
        if len(self._seen) > MAX_CANDIDATES:
            raise InvalidAnswer(f"The provider's stream has more than {MAX_CANDIDATES} candidates.")

    def _keep(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self.kept.append(data)
        else:
            self._room = -1

    def _chunk(self, raw: bytes, document: dict[str, Any]) -> bytes:
        """Say what the client gets of an event."""
        raise NotImplementedError


class PassReader(EventReader):
    """Passes a stream on, event by event, and reads its facts on the way."""

    __slots__ = ()

    def _chunk(self, raw: bytes, document: dict[str, Any]) -> bytes:
        return raw


class ArrayReader:
    """Gives the events of another reader as the members of one JSON array."""

    __slots__ = ("_begun", "done", "facts", "inner", "kept")

    def __init__(self, inner: EventReader) -> None:
        self.inner = inner
        self.facts = inner.facts
        self.done = False
        # The stream as events.
        self.kept = inner.kept
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        try:
            return self.members(self.inner.feed(data))
        except GatewayError as error:
            error.released = self.members(error.released)
            raise

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        try:
            last = self.members(self.inner.finish())
        except GatewayError as error:
            error.released = self.members(error.released)
            raise
        return last + self.closing()

    def mark(self) -> StreamMark:
        """Return this moment, and whether the array had begun by then."""
        return *self.inner.mark(), int(self._begun)

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        self.inner.rewind(mark)
        self._begun = bool(mark[2])

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        self.inner.resume(taken)

    def closing(self) -> bytes:
        """The end of the array."""
        return b"\n]" if self._begun else b"[]"

    def members(self, events: bytes) -> bytes:
        """Write whole events as members; what is no event (a comment) has no place in an array."""
        out: list[bytes] = []
        for raw in EventSplitter(max_event_bytes=2 * MAX_EVENT_BYTES).feed(events) if events else ():
            event = parse_event(raw)
            if event is not None:
                out += (b",\n" if self._begun else b"[", event.data)
                self._begun = True
        return b"".join(out)


def candidate_index(candidate: dict[str, Any]) -> int:
    """Return which candidate this is; 0 when it does not say."""
    index = candidate.get("index")
    return index if is_integer(index) else 0


def load_object(data: bytes) -> dict[str, Any]:
    """Parse the data of an event.

    Raises:
        InvalidAnswer: It is no JSON object.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        document = None
    if not is_object(document):
        raise InvalidAnswer("The provider sent an event that is no JSON object.")
    return document


def write_event(document: Any) -> bytes:
    """Write an answer as one event.

    Raises:
        InvalidAnswer: It is nested too deeply.
    """
    try:
        return b"data: " + orjson.dumps(document) + b"\n\n"
    except orjson.JSONEncodeError:
        raise InvalidAnswer("The provider sent an event that is nested too deeply.") from None


def envelope_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return what identifies an event, without its candidates."""
    return {name: document[name] for name in ENVELOPE if name in document}


def ending(reader: StreamReader, reason: str = "SAFETY") -> bytes:
    """Write what ends a stream which we stop."""
    inner = reader.inner if isinstance(reader, ArrayReader) else reader
    envelope: dict[str, Any] = {}
    indexes = [0]
    if isinstance(inner, EventReader):
        envelope, indexes = envelope_of(inner.envelope), inner.open_candidates()
    ends = [{"finishReason": reason, "index": index} for index in indexes]
    last = write_event({"candidates": ends, **envelope}) if ends else b""
    return reader.members(last) + reader.closing() if isinstance(reader, ArrayReader) else last
