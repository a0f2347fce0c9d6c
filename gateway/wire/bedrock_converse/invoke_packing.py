"""What the frames of ``invoke`` carry: in base64, an event of the model's own, in the form that its readers take.

Most models' events are those of a dialect of server-sent events, a JSON document each. Amazon's own models say in one
document what Converse says in the head and the payload of a frame.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Protocol

import orjson

from gateway.core.errors import InvalidAnswer
from gateway.wire.aws_eventstream import FrameSplitter
from gateway.wire.bedrock_converse.events import encode, read_event, write
from gateway.wire.shapes import is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

CHUNK = "chunk"
# What Amazon adds to the last event of a stream, whatever the model.
METRICS = "amazon-bedrock-invocationMetrics"
_MAX_EVENT_BYTES = 33_554_432


class Packing(Protocol):
    """How the events of a dialect become documents that frames carry, and back."""

    def unpacked(self, said: bytes) -> bytes:
        """Give a document as the dialect's readers take it.

        Raises:
            InvalidAnswer: It is none that they could.
        """
        ...

    def packed(self, events: bytes) -> list[bytes]:
        """Give the documents of whole events."""
        ...

    def first(self, kept: list[bytes]) -> bytes:
        """Give the first document of what a reader kept; empty where there is none, or it is in another packing."""
        ...


class Events:
    """Of server-sent events. What is no document has no place in a frame."""

    def unpacked(self, said: bytes) -> bytes:
        """Make an event of a document."""
        return b"data: %b\n\n" % said

    def packed(self, events: bytes) -> list[bytes]:
        """Give the documents of events; comments and the mark at the end of a stream are none."""
        if not events:
            return []
        parsed = map(parse_event, EventSplitter(max_event_bytes=_MAX_EVENT_BYTES).feed(events))
        return [event.data for event in parsed if event is not None and event.data.startswith(b"{")]

    def first(self, kept: list[bytes]) -> bytes:
        """Give the first document of events."""
        return next(iter(self.packed(b"".join(kept))), b"")


class Frames:
    """Of Converse: ``{"contentBlockDelta": {…}}``."""

    def unpacked(self, said: bytes) -> bytes:
        """Make a frame of a document."""
        try:
            document: Any = orjson.loads(said)
        except orjson.JSONDecodeError:
            document = None
        metrics = document.pop(METRICS, None) if is_object(document) else None
        if not is_object(document) or len(document) != 1:
            raise InvalidAnswer("The provider sent a frame that is no event.")
        ((name, held),) = document.items()
        if not is_object(held) or not name.isalnum():
            raise InvalidAnswer("The provider sent a frame that is no event.")
        # Stays with its event, wherever that goes.
        return encode(name, write(held if metrics is None else {**held, METRICS: metrics}))

    def packed(self, events: bytes) -> list[bytes]:
        """Give the documents of frames."""
        found: list[bytes] = []
        for raw in FrameSplitter().feed(events) if events else ():
            event = read_event(raw)
            held = event.document()
            metrics = held.pop(METRICS, None)
            found.append(write({event.name: held} if metrics is None else {event.name: held, METRICS: metrics}))
        return found

    def first(self, kept: list[bytes]) -> bytes:
        """Give the first document of frames."""
        data = b"".join(kept)
        return b"" if data.startswith(b"data:") else next(iter(self.packed(data)), b"")


EVENTS, FRAMES = Events(), Frames()


def opened(raw: bytes) -> bytes:
    """Return the document in a frame, on one line.

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


def chunk(said: bytes) -> bytes:
    """Put a document into a frame."""
    return encode(CHUNK, orjson.dumps({"bytes": base64.b64encode(said).decode()}))


def framed(events: bytes, packing: Packing) -> bytes:
    """Put whole events into frames."""
    return b"".join(map(chunk, packing.packed(events)))
