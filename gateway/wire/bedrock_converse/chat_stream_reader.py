"""An answer's stream read as events that belong to no dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.core.chat import Finish, Opaque
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Said, Thought
from gateway.core.errors import InvalidAnswer, StreamBroken
from gateway.core.usage import Usage
from gateway.wire.aws_eventstream import FrameSplitter
from gateway.wire.bedrock_converse.answer import routed_model
from gateway.wire.bedrock_converse.chat_answer import stopped_by
from gateway.wire.bedrock_converse.chat_pieces import SEALED_BY, read_citation, read_finish, text_of
from gateway.wire.bedrock_converse.events import (
    BLOCK_START,
    BLOCK_STOP,
    DELTA,
    METADATA,
    START,
    STOP,
    block_index,
    read_event,
)
from gateway.wire.bedrock_converse.request import DIALECT_NAME
from gateway.wire.bedrock_converse.usage import read_usage
from gateway.wire.block_stream import MAX_BLOCKS
from gateway.wire.shapes import is_object, is_text


class _Call:
    """A call that has begun."""

    __slots__ = ("argued", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.argued = False


class ConverseEventReader:
    """Reads one stream: see :class:`gateway.core.codec.EventReader`."""

    __slots__ = ("_began", "_blocks", "_calls", "_done", "_finish", "_splitter", "_stop_sequence", "_usage")

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._blocks: dict[int, _Call | None] = {}
        self._calls = 0
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._stop_sequence: str | None = None
        self._began = self._done = False

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes."""
        out: list[ChatEvent] = []
        if not self._done:
            for raw in self._splitter.feed(data):
                self._event(raw, out)
        return out

    def finish(self) -> Sequence[ChatEvent]:
        """The body has ended."""
        out: list[ChatEvent] = []
        if not self._done:
            if self._finish is None or self._splitter.carry:
                raise StreamBroken("The provider's stream ended before it was whole.")
            self._end(out)
        return out

    def _event(self, raw: bytes, out: list[ChatEvent]) -> None:
        told = read_event(raw)
        if self._done:
            return
        if told.name == DELTA:
            self._delta(told.document(), out)
        elif told.name == BLOCK_START:
            self._start(told.document(), out)
        elif told.name == BLOCK_STOP:
            self._stop(block_index(told.document()), out)
        elif told.name == START:
            self._begin(out)
        elif told.name == STOP:
            document = told.document()
            self._finish = read_finish(document.get("stopReason")) or "stop"
            self._stop_sequence = stopped_by(document)
        elif told.name == METADATA:
            self._last(told.document(), out)

    def _begin(self, out: list[ChatEvent], model: str = "") -> None:
        if not self._began:
            self._began = True
            out.append(Began(id="", model=model))

    def _last(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        self._usage = read_usage(document.get("usage"), document.get("serviceTier"))
        self._begin(out, routed_model(document.get("trace")))
        if self._finish is not None:
            self._end(out)

    def _end(self, out: list[ChatEvent]) -> None:
        self._done = True
        self._begin(out)
        for index in list(self._blocks):
            self._stop(index, out)
        out.append(Finished(choice=0, finish=self._finish or "stop", stop_sequence=self._stop_sequence))
        out.append(Ended(usage=self._usage))

    # --- blocks

    def _start(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        index, start = block_index(document), document.get("start")
        if index in self._blocks or len(self._blocks) >= MAX_BLOCKS:
            raise InvalidAnswer("The provider began a block that cannot be one.")
        called = start.get("toolUse") if is_object(start) else None
        if not is_object(called) or called.get("type") is not None:
            self._blocks[index] = None
            return
        self._begin(out)
        call = self._blocks[index] = _Call(self._calls)
        self._calls += 1
        out.append(Called(choice=0, call=call.number, id=text_of(called, "toolUseId"), name=text_of(called, "name")))

    def _delta(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        index, piece = block_index(document), document.get("delta")
        if not is_object(piece):
            raise InvalidAnswer("The provider sent a delta that does not say what it is.")
        self._begin(out)
        if is_text(said := piece.get("text")):
            if said:
                out.append(Said(choice=0, text=said, block=index))
            return
        thought, called = piece.get("reasoningContent"), piece.get("toolUse")
        if is_object(called):
            self._argue(index, text_of(called, "input"), out)
        elif is_object(thought):
            self._think(index, thought, out)
        elif (citation := read_citation(piece.get("citation"))) is not None:
            out.append(Said(choice=0, text="", block=index, citations=(citation,)))
        elif "toolResult" not in piece:
            kind = next(iter(piece), "")
            out.append(Foreign(choice=0, piece=Opaque(dialect=DIALECT_NAME, kind=kind, document=piece)))

    def _think(self, index: int, thought: dict[str, Any], out: list[ChatEvent]) -> None:
        text, signature = text_of(thought, "text"), text_of(thought, "signature")
        encrypted = text_of(thought, "redactedContent")
        if text or signature or encrypted:
            out.append(
                Thought(choice=0, text=text, signature=signature, encrypted=encrypted, block=index, origin=SEALED_BY)
            )

    def _argue(self, index: int, text: str, out: list[ChatEvent]) -> None:
        if index not in self._blocks:
            raise InvalidAnswer("The provider sent input of a call that it has not begun.")
        call = self._blocks[index]
        # The input of a provider's own tool is nobody else's business.
        if call is not None and text:
            call.argued = True
            out.append(Argued(choice=0, call=call.number, arguments=text))

    def _stop(self, index: int, out: list[ChatEvent]) -> None:
        call = self._blocks.pop(index, None)
        if call is not None and not call.argued:
            out.append(Argued(choice=0, call=call.number, arguments="{}"))
