"""Streams of an answer under response guards: every block is read, and leaves as far as the screen has released it.

Text and thoughts leave piece by piece; the input of a tool is held until it is whole. A thought that was edited and
then signed ends the stream: its signature would not hold. An event whose texts are released as they came is passed on
byte for byte; any other is written anew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gateway.core.errors import GatewayError, InvalidAnswer
from gateway.core.exchange import Request
from gateway.core.ports import TextScreen
from gateway.core.segments import Path, replace_leaves
from gateway.wire.bedrock_converse.answer import ENDING, is_padding
from gateway.wire.bedrock_converse.blocks import CITATION, MEDIA, START_OF_CALL, START_OF_RESULT, THOUGHT_DELTA
from gateway.wire.bedrock_converse.events import (
    BLOCK_START,
    BLOCK_STOP,
    DELTA,
    METADATA,
    START,
    STOP,
    Event,
    block_index,
    delta,
    event,
)
from gateway.wire.bedrock_converse.stream import EventReader
from gateway.wire.block_texts import SIGNED, BlockTexts
from gateway.wire.grammar import Rule, constant, each, fields, text
from gateway.wire.held import HeldCall, Queue, Told
from gateway.wire.shapes import is_array, is_object, is_text

_INDEX = {"contentBlockIndex": constant(), "p": ENDING["p"]}
_PIECE = fields(
    {
        "text": text("text"),
        "toolUse": fields({"input": text("tool_argument")}),
        "toolResult": each(fields({"text": text("text")})),
        "reasoningContent": THOUGHT_DELTA,
        "citation": CITATION,
        "image": MEDIA,
    }
)
_LAST = fields(ENDING)
_RULES: dict[str, Rule] = {
    START: fields({"role": constant("assistant"), "p": ENDING["p"]}),
    BLOCK_START: fields(
        {**_INDEX, "start": fields({"toolUse": START_OF_CALL, "toolResult": START_OF_RESULT, "image": MEDIA})}
    ),
    DELTA: fields({**_INDEX, "delta": _PIECE}),
    BLOCK_STOP: fields(_INDEX),
    STOP: _LAST,
    METADATA: _LAST,
}
# By what a delta goes on with: the channel, and how the rest of it is written.
_CHANNELS = {"text": "text", "reasoning": SIGNED, "result": "text"}
_PLAIN_EVENT = {"contentBlockIndex", "delta", "p"}
Growing = list[tuple[Path, str]]


class ScreenedReader(EventReader):
    """Reads every event and releases what the screen releases; keeps what the client was given."""

    __slots__ = ("_calls", "_queue", "_texts")

    def __init__(self, request: Request, screen: TextScreen) -> None:
        super().__init__(request)
        self._texts = BlockTexts(screen)
        self._calls: dict[int, HeldCall] = {}
        self._queue = Queue()

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        out = self._split(data)
        if out:
            self._keep(out)
        return out

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        out = super().finish()
        self._keep(out)
        return out

    def _failed(self, error: GatewayError, out: list[bytes]) -> GatewayError:
        failure = super()._failed(error, out)
        self._keep(failure.released)
        return failure

    def _delta(self, raw: bytes, told: Event) -> bytes:
        return self._go_on(Told(DELTA, raw, told.document()))

    def _shown(self, name: str, raw: bytes, document: dict[str, Any]) -> bytes:
        told = Told(name, raw, document)
        if name == BLOCK_START:
            return self._begin(told)
        if name == BLOCK_STOP:
            return self._stop(told)
        rule = _RULES.get(name)
        if rule is not None:
            return self._tell(self._screened(told, rule))
        shown = self._texts.channels.leaves(0, [name, document])
        if shown[0] != name:
            raise InvalidAnswer("The provider sent an event whose name is not to be passed on.")
        return self._tell(told if shown[1] is document else Told(name, event(name, shown[1]), shown[1]))

    def _flush(self) -> bytes:
        out = [self._settle(index) for index in list(self._texts.open)]
        for index, call in list(self._calls.items()):
            del self._calls[index]
            self._close(index, call)
        return b"".join((*out, self._leave(self._queue.drain())))

    # --- blocks

    def _begin(self, told: Told) -> bytes:
        index, start = block_index(told.document), told.document.get("start")
        if index in self._texts.open or index in self._calls:
            raise InvalidAnswer("The provider began a block twice.")
        shown = self._screened(told, _RULES[BLOCK_START])
        called = start.get("toolUse") if is_object(start) else None
        if not is_object(called):
            return self._tell(shown)
        call = self._calls[index] = HeldCall(shown)
        call.name = called["name"] if is_text(called.get("name")) else ""
        self._queue.count(len(told.data))
        self._queue.hold(call)
        return b""

    def _go_on(self, told: Told) -> bytes:
        document = told.document
        index, piece = block_index(document), document.get("delta")
        if not is_object(piece):
            raise InvalidAnswer("The provider sent a delta that does not say what it is.")
        call = self._calls.get(index)
        if call is not None:
            self._add(call, told, piece)
            return b""
        if "toolUse" in piece:
            raise InvalidAnswer("The provider sent input of a call that it has not begun.")
        kind, texts = _growing(piece)
        if kind:
            return self._grow(index, kind, texts, told)
        before = b""
        thought = piece.get("reasoningContent")
        if is_object(thought) and "signature" in thought:
            self._texts.signed.add(index)
            before = self._settle(index)
        return before + self._tell(self._screened(told, _RULES[DELTA]))

    def _grow(self, index: int, kind: str, texts: Growing, told: Told) -> bytes:
        """Let go of what may leave of a block's text; a delta of which nothing may is none."""
        document = told.document
        plain = len(document["delta"]) == 1 and document.keys() <= _PLAIN_EVENT and is_padding(document.get("p", ""))
        known = {path for path, _ in texts}
        shown = told if plain and kind == "text" else self._screened(told, _RULES[DELTA], but=known)
        edits: dict[Path, Any] = {}
        gone = True
        for path, said in texts:
            released = self._texts.add(index, kind, _CHANNELS[kind], said)
            gone = gone and not released
            if released != said:
                edits[path] = released
        if not edits:
            return self._tell(shown)
        return b"" if gone and len(document["delta"]) == 1 else self._tell(_with(shown, edits))

    def _stop(self, told: Told) -> bytes:
        index = block_index(told.document)
        shown = self._screened(told, _RULES[BLOCK_STOP])
        call = self._calls.pop(index, None)
        if call is None:
            return self._settle(index) + self._tell(shown)
        self._close(index, call, shown)
        return self._leave(self._queue.drain())

    def _settle(self, index: int) -> bytes:
        """End the text of a block and return the event with what was held back of it."""
        kind, rest = self._texts.settle(index)
        if not rest:
            return b""
        pieces: dict[str, Any] = {"text": {"text": rest}, "reasoning": {"reasoningContent": {"text": rest}}}
        data = delta(index, pieces.get(kind, {"toolResult": [{"text": rest}]}))
        return self._tell(Told(DELTA, data, {"contentBlockIndex": index}))

    # --- calls of tools

    def _add(self, call: HeldCall, told: Told, piece: dict[str, Any]) -> None:
        self._queue.count(len(told.data))
        held = piece.get("toolUse")
        part = held.get("input") if is_object(held) else None
        if not is_text(part):
            call.others.append(self._screened(told, _RULES[DELTA]))
            return
        call.pieces.append(part)
        call.raws.append(self._screened(told, _RULES[DELTA], but={("delta", "toolUse", "input")}))

    def _close(self, index: int, call: HeldCall, stop: Told | None = None) -> None:
        """Judge the input of a call that is whole, and let it leave."""
        said = "".join(call.pieces)
        released = self._texts.argument(index, call.name, said)
        inputs = call.raws
        if released != said:
            data = delta(index, {"toolUse": {"input": released}})
            inputs = [Told(DELTA, data, {"contentBlockIndex": index})]
        call.ready = [call.start, *inputs, *call.others, *([stop] if stop is not None else [])]

    # --- events

    def _tell(self, told: Told) -> bytes:
        return self._leave(self._queue.add(told))

    def _leave(self, events: list[Told]) -> bytes:
        for told in events:
            self.note(told.name, told.document)
        return events[0].data if len(events) == 1 else b"".join([told.data for told in events])

    def _screened(self, told: Told, rule: Rule, *, but: Collection[Path] = ()) -> Told:
        """Screen the texts of an event that are whole; ``but`` are the places of those that are not."""
        edits = self._texts.edits(told.document, rule, but)
        return _with(told, edits) if edits else told


def _growing(piece: dict[str, Any]) -> tuple[str, Growing]:
    """What of a delta goes on in the next one: what it is, and its texts."""
    if is_text(said := piece.get("text")):
        return "text", [(("delta", "text"), said)]
    thought = piece.get("reasoningContent")
    if is_object(thought) and is_text(said := thought.get("text")):
        return "reasoning", [(("delta", "reasoningContent", "text"), said)]
    results = piece.get("toolResult")
    texts: Growing = []
    for at, each_ in enumerate(results if is_array(results) else ()):
        if is_object(each_) and is_text(said := each_.get("text")):
            texts.append((("delta", "toolResult", at, "text"), said))
    return ("result", texts) if texts else ("", [])


def _with(told: Told, edits: dict[Path, Any]) -> Told:
    document = replace_leaves(told.document, edits)
    return Told(told.name, event(told.name, document), document)
