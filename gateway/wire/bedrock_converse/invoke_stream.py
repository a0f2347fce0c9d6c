"""Streams of ``invoke``: each frame carries, in base64, an event of the model's own dialect.

A reader of that dialect reads them as server-sent events, and what it gives goes on in frames. A frame whose event is
passed on as it came is passed on as it came itself.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from gateway.core.errors import GatewayError, InvalidAnswer, StreamBroken
from gateway.core.exchange import AnswerFacts
from gateway.core.ports import StreamMark, StreamReader
from gateway.wire.aws_eventstream import FrameSplitter
from gateway.wire.bedrock_converse.events import encode, read_event
from gateway.wire.shapes import is_text
from gateway.wire.sse import EventSplitter, parse_event

CHUNK = "chunk"
_MAX_EVENT_BYTES = 33_554_432


class FramedReader:
    """Reads frames, and lets a reader of what is in them say what leaves.

    Args:
        inner: Reads server-sent events.
    """

    __slots__ = ("_failure", "_splitter", "done", "facts", "inner", "kept")

    def __init__(self, inner: StreamReader) -> None:
        self.inner = inner
        self.done = False
        self.facts: AnswerFacts = inner.facts
        # As events.
        self.kept: list[bytes] = inner.kept
        self._splitter = FrameSplitter()
        self._failure: GatewayError | None = None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        out: list[bytes] = []
        if self.done or self._failure is not None:
            return b""
        try:
            for raw in self._splitter.feed(data):
                out.append(self._frame(raw))
                self.done = self.inner.done
                if self.done:
                    break
        except GatewayError as error:
            self._failure = error
            error.released = b"".join((*out, framed(error.released)))
            raise
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        if self._failure is not None:
            self._failure.released = b""
            raise self._failure
        try:
            if self._splitter.carry and not self.done:
                raise StreamBroken("The provider's stream ended before it was whole.")
            return framed(self.inner.finish())
        except GatewayError as error:
            error.released = framed(error.released)
            self._failure = error
            raise

    def mark(self) -> StreamMark:
        """Return this moment: see :meth:`gateway.core.ports.StreamReader.mark`."""
        return self.inner.mark()

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        self.inner.rewind(mark)

    def _frame(self, raw: bytes) -> bytes:
        said = opened(raw)
        shown = self.inner.feed(b"data: %b\n\n" % said)
        if not shown:
            return b""
        events = [event.data for event in map(parse_event, _split(shown)) if event is not None]
        return raw if events == [said] else b"".join(map(chunk, events))


def opened(raw: bytes) -> bytes:
    """Return the event in a frame, on one line.

    Raises:
        StreamFailed: It is an exception of the provider's.
        InvalidAnswer: There is none in it.
    """
    told = read_event(raw)
    held: Any = told.document().get("bytes") if told.name == CHUNK else None
    if not is_text(held):
        raise InvalidAnswer("The provider sent a frame with nothing in it.")
    try:
        said = base64.b64decode(held, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidAnswer("The provider sent a frame that is no base64.") from None
    # Line breaks of JSON stand between its words only.
    return said.replace(b"\r", b" ").replace(b"\n", b" ") if b"\n" in said or b"\r" in said else said


def chunk(data: bytes) -> bytes:
    """Put an event into a frame."""
    return encode(CHUNK, orjson.dumps({"bytes": base64.b64encode(data).decode()}))


def framed(events: bytes) -> bytes:
    """Put server-sent events into frames; what is no event has no place there."""
    if not events:
        return b""
    return b"".join(chunk(event.data) for event in map(parse_event, _split(events)) if event is not None)


def _split(events: bytes) -> list[bytes]:
    return EventSplitter(max_event_bytes=_MAX_EVENT_BYTES).feed(events)
