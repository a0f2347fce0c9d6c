"""What the frames of ``invoke`` carry: in base64, an event of the model's own, in the form that its readers take.

Most models' events are those of a dialect of server-sent events, a JSON document each. Amazon's own models say in one
document what Converse says in the head and the payload of a frame.
"""

from __future__ import annotations

import binascii
from typing import Any, Protocol

import msgspec
import orjson

from gateway.core.errors import InvalidAnswer
from gateway.wire.bedrock_converse.events import encode, read_event, write
from gateway.wire.shapes import is_text
from gateway.wire.sse import EventSplitter, parse_event

CHUNK = "chunk"
# What Amazon adds to the last event of a stream, whatever the model.
METRICS = "amazon-bedrock-invocationMetrics"
_METRICS = METRICS.encode()
# Finds the fields of a document without building what is in them.
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_MAX_EVENT_BYTES = 33_554_432
_DATA = b"data: "


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

    def is_same(self, shown: bytes, fed: bytes) -> bool:
        """Say whether a reader gave what :meth:`unpacked` gave it, and nothing else."""
        ...


class Events:
    """Of server-sent events. What is no document has no place in a frame.

    Args:
        usual: The name of the events that a stream is mostly made of, where the dialect names its events: its readers
            know them by their first line.
    """

    def __init__(self, usual: bytes = b"") -> None:
        self._usual = b'{"type":"%b"' % usual if usual else b""
        self._named = b"event: %b\ndata: %%b\n\n" % usual

    def unpacked(self, said: bytes) -> bytes:
        """Make an event of a document."""
        if self._usual and said.startswith(self._usual):
            return self._named % said
        return b"data: %b\n\n" % said

    def packed(self, events: bytes) -> list[bytes]:
        """Give the documents of events; comments and the mark at the end of a stream are none."""
        if not events:
            return []
        found: list[bytes] = []
        for event in events.split(b"\n\n") if b"\r" not in events else _split(events):
            at = 0 if event.startswith(_DATA) else event.find(b"\n" + _DATA) + 1
            if at or event.startswith(_DATA):
                said = event[at + len(_DATA) :]
                if b"\n" in said:
                    parsed = parse_event(event + b"\n\n")
                    said = b"" if parsed is None else parsed.data
                if said.startswith(b"{"):
                    found.append(said)
        return found

    def is_same(self, shown: bytes, fed: bytes) -> bool:
        """Say whether an event is the one that was made, but for its name."""
        return shown.endswith(fed) and shown.find(b"\n\n") == len(shown) - 2

    def first(self, kept: list[bytes]) -> bytes:
        """Give the first document of events."""
        return next(iter(self.packed(b"".join(kept))), b"")


class Frames:
    """Of Converse: ``{"contentBlockDelta": {…}}``."""

    def unpacked(self, said: bytes) -> bytes:
        """Make a frame of a document."""
        try:
            document = _fields(said)
        except (msgspec.DecodeError, UnicodeDecodeError):
            document = {}
        metrics = document.pop(METRICS, None)
        ((name, held),) = document.items() if len(document) == 1 else (("", b""),)
        payload = bytes(held)
        if not name.isalnum() or not payload.startswith(b"{"):
            raise InvalidAnswer("The provider sent a frame that is no event.")
        if metrics is not None:
            # Stays with its event, wherever that goes.
            payload = write({**orjson.loads(payload), METRICS: orjson.loads(bytes(metrics))})
        return encode(name, payload)

    def packed(self, events: bytes) -> list[bytes]:
        """Give the documents of frames."""
        found: list[bytes] = []
        at = 0
        while at < len(events):
            # Frames of our own readers and writers: whole, and sound.
            size = int.from_bytes(events[at : at + 4])
            event = read_event(events[at : at + size])
            at += size
            if _METRICS not in event.payload:
                found.append(b'{"%b":%b}' % (event.name.encode(), event.payload))
                continue
            held = event.document()
            beside = {METRICS: held.pop(METRICS)} if METRICS in held else {}
            found.append(write({event.name: held, **beside}))
        return found

    def is_same(self, shown: bytes, fed: bytes) -> bool:
        """Say whether a frame is the one that was made."""
        return shown == fed

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
        said = binascii.a2b_base64(held, strict_mode=True)
    except ValueError:
        raise InvalidAnswer("The provider sent a frame that is no base64.") from None
    # Line breaks of JSON stand between its words only.
    return said.replace(b"\r", b" ").replace(b"\n", b" ") if b"\n" in said or b"\r" in said else said


def chunk(said: bytes) -> bytes:
    """Put a document into a frame."""
    return encode(CHUNK, b'{"bytes":"%b"}' % binascii.b2a_base64(said, newline=False))


def framed(events: bytes, packing: Packing) -> bytes:
    """Put whole events into frames."""
    return b"".join(map(chunk, packing.packed(events)))


def _split(events: bytes) -> list[bytes]:
    """The same events, however their lines end."""
    parsed = map(parse_event, EventSplitter(max_event_bytes=_MAX_EVENT_BYTES).feed(events))
    return [_DATA + event.data for event in parsed if event is not None]
