"""Streams of a message, as they pass: framing, facts, the end.

:class:`PassReader` is the hot path. A network read that is nothing but whole deltas of blocks is returned as it came;
only the events around them, which say something (usage, a stop reason, an error), are parsed. Bytes never leave before
the event they belong to is complete, ``message_start`` waits for the first event with content, so that an error in its
place can still be a status, and ``message_stop`` waits for :meth:`EventReader.finish`.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.core.errors import GatewayError, InvalidAnswer, StreamBroken
from gateway.core.exchange import Request
from gateway.wire.anthropic_messages.errors import provider_failure
from gateway.wire.anthropic_messages.events import MESSAGE_STOP, encode, event, load
from gateway.wire.anthropic_messages.usage import merged, read_usage
from gateway.wire.block_stream import BlockReader
from gateway.wire.shapes import is_integer, is_object, is_text
from gateway.wire.sse import EventSplitter, ServerSentEvent, parse_event

_DELTA = b"event: content_block_delta\ndata: {"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_EARLY = frozenset({"message_start", "ping"})
_NEXT_DELTA = b"\n\n" + _DELTA


class EventReader(BlockReader):
    """What the readers of a stream share. Subclasses say what becomes of an event."""

    __slots__ = ("_end", "_request", "_splitter", "_usage")

    def __init__(self, request: Request) -> None:
        self._splitter = EventSplitter()
        super().__init__(self._splitter)
        self._request = request
        self._end = MESSAGE_STOP
        self._usage: dict[str, Any] = {}

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        self._again()
        rest = self._splitter.rest()
        last = self._take([rest]) if rest.endswith(b"\r\n\r") and not self.done else b""
        if not self.done and not self._stopped:
            raise self._failed(StreamBroken("The provider's stream ended before it was whole."), [last])
        try:
            return b"".join((last, self._content(self._flush()), self._end))
        except GatewayError as error:
            raise self._failed(error, [last]) from None

    def _event(self, raw: bytes) -> bytes:
        parsed = parse_event(raw)
        if parsed is None:
            return self._wait(raw)
        if parsed.data.startswith(b"[DONE]"):
            # Of servers that end every stream as OpenAI does.
            self.done = self._stopped
            return b""
        document = load(parsed.data)
        kind = document.get("type")
        name = kind if is_text(kind) else parsed.name.decode("utf-8", "replace")
        if _NAME.fullmatch(name) is None:
            raise InvalidAnswer("The provider sent an event without a proper name.")
        if name == "error":
            raise provider_failure(document.get("error") or document)
        self.facts.chunks += 1
        if name == "message_stop":
            self.done = True
            self._end = named(name, raw, parsed)
            return b""
        self._read(name, document)
        shown = self._shown(name, named(name, raw, parsed), document)
        return self._wait(shown) if name in _EARLY else self._content(shown)

    def _read(self, name: str, document: dict[str, Any]) -> None:
        facts = self.facts
        if name == "message_start":
            message = document.get("message")
            if not is_object(message):
                raise InvalidAnswer("The provider began a stream without a message.")
            model = message.get("model")
            facts.model_served = model if is_text(model) else ""
            self._usage = merged({}, message.get("usage"))
            # Its output is only what the first event holds: a stream that is cut has used more.
            facts.begun = read_usage(self._usage)
        elif name == "message_delta":
            delta = document.get("delta")
            reason = delta.get("stop_reason") if is_object(delta) else None
            if is_text(reason) and reason:
                facts.finish_reason = reason
                self._stopped = True
            self._usage = merged(self._usage, document.get("usage"))
            facts.usage = read_usage(self._usage)

    def note(self, name: str, document: dict[str, Any]) -> None:
        """Remember what the client is told of."""
        if name == "message_start":
            self.begun = True
        elif name == "content_block_start":
            self.began(block_index(document))
        elif name == "content_block_stop":
            self.ended(block_index(document))

    def _shown(self, name: str, raw: bytes, document: dict[str, Any]) -> bytes:
        """Say what the client gets of an event."""
        raise NotImplementedError


class PassReader(EventReader):
    """Passes a stream on and reads its facts on the way; keeps what the provider sent."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        if self._room >= 0:
            self._keep(data)
        if self._opened and not self._splitter.carry and not self.done and self._failure is None:
            events = plain_deltas(data)
            if events:
                self.facts.chunks += events
                return data
        return self._split(data)

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        super().resume(taken)
        self.keep_only(taken)

    def _shown(self, name: str, raw: bytes, document: dict[str, Any]) -> bytes:
        self.note(name, document)
        return raw


def plain_deltas(data: bytes) -> int:
    """Count the events of a network read that is nothing but whole deltas of blocks.

    JSON escapes every line break inside its strings, so the lines of the format can be counted by their ends.

    Returns:
        How many, or 0 when the bytes must be looked at event by event.
    """
    if not (data.startswith(_DELTA) and data.endswith(b"}\n\n")) or data.find(b"\r") >= 0:
        return 0
    events = data.count(b"\n\n")
    if data.count(b"\n") != 3 * events or data.count(_NEXT_DELTA) != events - 1:
        return 0
    return events


def named(name: str, raw: bytes, parsed: ServerSentEvent) -> bytes:
    """Return an event as it came, or with its name where that was missing: clients leave out what has none."""
    return raw if parsed.name == name.encode() else encode(name, b" ".join(parsed.data.splitlines()))


def block_index(document: dict[str, Any]) -> int:
    """Return the number of the block that an event is about.

    Raises:
        InvalidAnswer: It has none.
    """
    index = document.get("index")
    if not is_integer(index):
        raise InvalidAnswer("The provider sent an event of a block without its number.")
    return index


def ending(reader: Any, reason: str = "refusal") -> bytes:
    """Write the events that end a stream which we stop; one that a guard has stopped ends as a refusal."""
    out: list[bytes] = []
    told: list[int] = []
    model, used, begun = "", 0, False
    if isinstance(reader, EventReader):
        told, begun, model = reader.told, reader.begun, reader.facts.model_served
        known = reader.facts.usage or reader.facts.begun
        used = 0 if known is None else known.output_tokens
    if not begun:
        message: dict[str, Any] = {
            "id": "msg_stopped",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        out.append(event("message_start", message=message))
    out += [event("content_block_stop", index=index) for index in told]
    last = {"stop_reason": reason, "stop_sequence": None}
    out.append(event("message_delta", delta=last, usage={"output_tokens": used}))
    return b"".join((*out, MESSAGE_STOP))
