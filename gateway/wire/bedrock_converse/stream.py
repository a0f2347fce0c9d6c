"""Streams of an answer, as they pass: frames, facts, the end.

:class:`PassReader` is the hot path: a delta of a block is passed on as it came, its JSON unread. ``messageStart`` waits
for the first event with content, so that an error in its place can still be a status; what ends the answer
(``messageStop`` and the ``metadata`` after it) waits for :meth:`EventReader.finish`.
"""

from __future__ import annotations

from typing import Any

from gateway.core.errors import GatewayError, StreamBroken
from gateway.core.exchange import Request
from gateway.core.ports import StreamReader
from gateway.wire.aws_eventstream import FrameSplitter
from gateway.wire.bedrock_converse.answer import routed_model
from gateway.wire.bedrock_converse.events import (
    BLOCK_START,
    BLOCK_STOP,
    DELTA,
    METADATA,
    START,
    STOP,
    Event,
    block_index,
    block_stop,
    event,
    read_event,
)
from gateway.wire.bedrock_converse.usage import read_usage, write_usage
from gateway.wire.block_stream import MAX_EARLY, BlockReader
from gateway.wire.shapes import is_text


class EventReader(BlockReader):
    """What the readers of a stream share. Subclasses say what becomes of an event."""

    __slots__ = ("_ending", "_splitter")

    def __init__(self, request: Request) -> None:
        self._splitter = FrameSplitter()
        super().__init__(self._splitter)
        # What comes from the stop reason on.
        self._ending: list[bytes] = []

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        self._again()
        if not self._stopped or (self._splitter.carry and not self.done):
            raise self._failed(StreamBroken("The provider's stream ended before it was whole."), [])
        try:
            return self._content(b"".join((self._flush(), *self._ending)))
        except GatewayError as error:
            raise self._failed(error, []) from None

    def open_blocks(self) -> list[int]:
        """Blocks whose end the client waits for."""
        return self.told

    def _event(self, raw: bytes) -> bytes:
        told = read_event(raw)
        self.facts.chunks += 1
        if told.name == DELTA and not self._stopped:
            return self._content(self._delta(raw, told))
        document = told.document()
        self._read(told.name, document)
        before = self._flush() if told.name == STOP and not self._ending else b""
        shown = self._shown(told.name, raw, document)
        if self._stopped:
            self._ending.append(shown)
            self.done = told.name == METADATA
            return self._content(before)
        return self._wait(shown) if told.name == START else self._content(shown)

    def _content(self, shown: bytes) -> bytes:
        # Held back, or nothing: what waits goes on waiting.
        return super()._content(shown) if shown or len(self._early) >= MAX_EARLY else b""

    def _read(self, name: str, document: dict[str, Any]) -> None:
        if name == STOP:
            reason = document.get("stopReason")
            if is_text(reason) and reason:
                self.facts.finish_reason = reason
                self._stopped = True
        elif name == METADATA:
            self.facts.usage = read_usage(document.get("usage"), document.get("serviceTier")) or self.facts.usage
            self.facts.model_served = routed_model(document.get("trace")) or self.facts.model_served

    def note(self, name: str, document: dict[str, Any]) -> None:
        """Remember what the client is told of."""
        if name == START:
            self.begun = True
        elif name in (BLOCK_START, DELTA):
            index = block_index(document)
            if index not in self.told:
                self.began(index)
        elif name == BLOCK_STOP:
            self.ended(block_index(document))

    def _delta(self, raw: bytes, told: Event) -> bytes:
        """Say what the client gets of more of a block."""
        raise NotImplementedError

    def _shown(self, name: str, raw: bytes, document: dict[str, Any]) -> bytes:
        """Say what the client gets of any other event."""
        raise NotImplementedError


class PassReader(EventReader):
    """Passes a stream on and reads its facts on the way; keeps what the provider sent."""

    __slots__ = ("_going_on",)

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        # The delta that was passed on last: its block may be open.
        self._going_on: Event | None = None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        if self._room >= 0:
            self._keep(data)
        return self._split(data)

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        super().resume(taken)
        self.keep_only(taken)

    def open_blocks(self) -> list[int]:
        """Blocks whose end the client waits for; deltas were not read until now."""
        if self._going_on is not None:
            self.note(DELTA, self._going_on.document())
        return self.told

    def _delta(self, raw: bytes, told: Event) -> bytes:
        self._going_on = told
        return raw

    def _shown(self, name: str, raw: bytes, document: dict[str, Any]) -> bytes:
        if name == BLOCK_STOP:
            self._going_on = None
        self.note(name, document)
        return raw


def ending(reader: StreamReader, reason: str = "guardrail_intervened") -> bytes:
    """Write the events that end a stream which we stop."""
    blocks: list[int] = []
    begun = False
    usage = reader.facts.usage
    if isinstance(reader, EventReader):
        begun, blocks = reader.begun, reader.open_blocks()
    out = [] if begun else [event(START, {"role": "assistant"})]
    out += [block_stop(index) for index in blocks]
    out.append(event(STOP, {"stopReason": reason}))
    if usage is not None:
        out.append(event(METADATA, {"usage": write_usage(usage)}))
    return b"".join(out)
