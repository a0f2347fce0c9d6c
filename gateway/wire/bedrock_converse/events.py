"""Events of a streamed answer: frames whose headers name them, with a JSON object each."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import orjson

from gateway.core.errors import InvalidAnswer, StreamFailed
from gateway.wire.aws_eventstream import Frame, encode_block, encode_headers, parts, read_headers
from gateway.wire.bedrock_converse.errors import provider_failure
from gateway.wire.shapes import is_integer, is_object

START, BLOCK_START, DELTA = "messageStart", "contentBlockStart", "contentBlockDelta"
BLOCK_STOP, STOP, METADATA = "contentBlockStop", "messageStop", "metadata"
_MAX_NAME_CHARS = 64
_MAX_USUAL_BYTES = 256


class Event(msgspec.Struct, frozen=True):
    """What one frame says."""

    name: str
    payload: bytes

    def document(self) -> dict[str, Any]:
        """Read what it carries.

        Raises:
            InvalidAnswer: It is no JSON object.
        """
        try:
            document = orjson.loads(self.payload)
        except orjson.JSONDecodeError:
            document = None
        if not is_object(document):
            raise InvalidAnswer("The provider sent an event that is no JSON object.")
        return document


def read_event(raw: bytes) -> Event:
    """Read a frame.

    Raises:
        StreamFailed: It is an exception of the provider's.
        InvalidAnswer: It is no event.
    """
    block, payload = parts(raw)
    name = _usual(block) if len(block) <= _MAX_USUAL_BYTES else ""
    if name:
        return Event(name, payload)
    frame = Frame(read_headers(block), payload)
    kind = frame.text(":message-type")
    if kind == "exception":
        raise provider_failure(frame.text(":exception-type"), frame.payload)
    if kind == "error":
        raise _fault(frame)
    name = frame.text(":event-type")
    if kind != "event" or not name.isalnum() or not name.isascii() or len(name) > _MAX_NAME_CHARS:
        raise InvalidAnswer("The provider sent a frame that is no event.")
    return Event(name, frame.payload)


@lru_cache(maxsize=64)
def _usual(block: bytes) -> str:
    """The name of an event by its headers; empty for what is none. Those of one stream are few."""
    headers = Frame(read_headers(block), b"")
    name = headers.text(":event-type")
    sound = headers.text(":message-type") == "event" and len(name) <= _MAX_NAME_CHARS
    return name if sound and name.isalnum() and name.isascii() else ""


def _fault(frame: Frame) -> StreamFailed:
    said = orjson.dumps({"message": frame.text(":error-message")})
    return provider_failure(frame.text(":error-code"), said)


@lru_cache(maxsize=64)
def _head(name: str) -> bytes:
    return encode_headers({":event-type": name, ":content-type": "application/json", ":message-type": "event"})


def encode(name: str, payload: bytes) -> bytes:
    """Put an event together."""
    return encode_block(_head(name), payload)


def event(name: str, document: Any) -> bytes:
    """Write an event.

    Raises:
        InvalidAnswer: It is nested too deeply.
    """
    return encode(name, write(document))


def write(document: Any) -> bytes:
    """Write JSON of the provider's anew.

    Raises:
        InvalidAnswer: It is nested too deeply.
    """
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        raise InvalidAnswer("The provider sent an event that is nested too deeply.") from None


def delta(index: int, piece: dict[str, Any]) -> bytes:
    """Write more of a block."""
    return event(DELTA, {"contentBlockIndex": index, "delta": piece})


def block_stop(index: int) -> bytes:
    """Write the end of a block."""
    return event(BLOCK_STOP, {"contentBlockIndex": index})


def block_index(document: dict[str, Any]) -> int:
    """Return the number of the block that an event is about.

    Raises:
        InvalidAnswer: It has none.
    """
    index = document.get("contentBlockIndex")
    if not is_integer(index):
        raise InvalidAnswer("The provider sent an event of a block without its number.")
    return index
