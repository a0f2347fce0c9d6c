"""Events of a message's stream: each has its name on a line of its own, and again as ``type`` in its document."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import InvalidAnswer
from gateway.wire.shapes import is_object

NAMES = frozenset({
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
    "message_stop", "ping", "error",
})  # fmt: skip


def load(data: bytes) -> dict[str, Any]:
    """Read the document of an event.

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


def write(document: Any) -> bytes:
    """Write JSON of the provider's anew.

    Raises:
        InvalidAnswer: It is nested too deeply.
    """
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        raise InvalidAnswer("The provider sent an event that is nested too deeply.") from None


def encode(name: str, data: bytes) -> bytes:
    """Put an event together."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def event(name: str, **fields: Any) -> bytes:
    """Write an event."""
    return encode(name, write({"type": name, **fields}))


MESSAGE_STOP = event("message_stop")


def delta(index: int, kind: str, **fields: Any) -> bytes:
    """Write more of a block."""
    return event("content_block_delta", index=index, delta={"type": kind, **fields})
