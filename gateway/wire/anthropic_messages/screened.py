"""Streams of a message under response guards: every block is read, and leaves as far as the screen has released it.

Text and thoughts leave piece by piece; the input of a tool is held until it is whole. A thought that was edited and
then signed ends the stream: its signature would not hold. An event whose texts are released as they came is passed on
byte for byte; any other is written anew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson

from gateway.core.errors import GatewayError, InvalidAnswer
from gateway.core.exchange import Request
from gateway.core.ports import TextScreen
from gateway.core.segments import Path, replace_leaves
from gateway.wire.anthropic_messages.answer import LAST, MESSAGE
from gateway.wire.anthropic_messages.blocks import CITATION, CONTENT
from gateway.wire.anthropic_messages.events import delta, encode, event, write
from gateway.wire.anthropic_messages.stream import EventReader, block_index
from gateway.wire.block_texts import SIGNED, BlockTexts
from gateway.wire.grammar import Rule, base64_media, constant, fields, sealed
from gateway.wire.held import HeldCall, Queue, Told
from gateway.wire.shapes import is_object, is_text

# By what a delta carries: the field, and the channel that its text goes on in.
_GOES_ON = {"text_delta": ("text", "text"), "thinking_delta": ("thinking", SIGNED)}
# By what a block is: the field that its deltas add to, and what these are.
_BEGINS = {"text": ("text", "text_delta"), "thinking": ("thinking", "thinking_delta")}
_INPUT = ("content_block", "input")
_TYPE = constant("content_block_start", "content_block_delta", "content_block_stop", "message_start")
_SIMPLE: dict[str, Rule] = {
    "message_start": fields({"type": _TYPE, "message": MESSAGE}),
    "content_block_stop": fields({"type": _TYPE, "index": constant()}),
}
_START = fields({"type": _TYPE, "index": constant(), "content_block": CONTENT})


def _delta_rule(**more: Rule) -> Rule:
    kinds = constant("text_delta", "thinking_delta", "signature_delta", "citations_delta", "input_json_delta")
    return fields({"type": _TYPE, "index": constant(), "delta": fields({"type": kinds, **more})})


_DELTA = _delta_rule()
_DELTAS = {
    "signature_delta": sealed(_delta_rule(signature=base64_media)),
    "citations_delta": _delta_rule(citation=CITATION),
}
_PLAIN_EVENT = {"type", "index", "delta"}


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

    def _shown(self, name: str, raw: bytes, document: dict[str, Any]) -> bytes:
        told = Told(name, raw, document)
        if name == "content_block_delta":
            return self._go_on(told)
        if name == "content_block_start":
            return self._begin(told)
        if name == "content_block_stop":
            return self._stop(told)
        if name == "ping":
            # A sign of life must not wait; what else it may say is nobody's.
            return raw if document.keys() <= {"type"} else event("ping")
        if name == "message_delta":
            shown = self._screened(told, LAST)
            return self._flush() + self._tell(shown)
        rule = _SIMPLE.get(name)
        if rule is not None:
            return self._tell(self._screened(told, rule))
        shown = self._texts.channels.leaves(0, [name, document])
        if shown[0] != name:
            raise InvalidAnswer("The provider sent an event whose name is not to be passed on.")
        return self._tell(told if shown[1] is document else Told(name, encode(name, write(shown[1])), shown[1]))

    def _flush(self) -> bytes:
        out = [self._settle(index) for index in list(self._texts.open)]
        for index, call in list(self._calls.items()):
            del self._calls[index]
            self._close(index, call)
        return b"".join((*out, self._leave(self._queue.drain())))

    # --- blocks

    def _begin(self, told: Told) -> bytes:
        index, block = block_index(told.document), told.document.get("content_block")
        if index in self._texts.open or index in self._calls:
            raise InvalidAnswer("The provider began a block twice.")
        if not is_object(block):
            return self._tell(self._screened(told, _START))
        if "input" in block:
            held = is_object(block["input"]) or is_text(block["input"])
            call = self._calls[index] = HeldCall(self._screened(told, _START, but=(_INPUT,) if held else ()))
            call.name = block["name"] if is_text(block.get("name")) else ""
            self._queue.count(len(told.data))
            self._queue.hold(call)
            return b""
        kind = block.get("type")
        name, kind_of_delta = _BEGINS.get(kind, ("", "")) if is_text(kind) else ("", "")
        if not name:
            return self._tell(self._screened(told, _START))
        if block.get("signature"):
            self._texts.signed.add(index)
        text = block.get(name)
        shown = self._screened(told, _START, but=(("content_block", name),))
        released = self._text(index, kind_of_delta, text) if is_text(text) and text else text
        return self._tell(shown if released == text else _with(shown, {("content_block", name): released}))

    def _go_on(self, told: Told) -> bytes:
        document = told.document
        index, piece = block_index(document), document.get("delta")
        kind = piece.get("type") if is_object(piece) else None
        if not is_object(piece) or not is_text(kind):
            raise InvalidAnswer("The provider sent a delta that does not say what it is.")
        call = self._calls.get(index)
        if call is not None:
            self._add(call, told, piece)
            return b""
        name = _GOES_ON[kind][0] if kind in _GOES_ON else ""
        text = piece.get(name)
        if is_text(text):
            plain = len(piece) == 2 and document.keys() <= _PLAIN_EVENT
            shown = told if plain else self._screened(told, _DELTA, but=(("delta", name),))
            released = self._text(index, kind, text)
            if released == text:
                return self._tell(shown)
            return self._tell(_with(shown, {("delta", name): released})) if released else b""
        before = b""
        if kind == "signature_delta":
            self._texts.signed.add(index)
            before = self._settle(index)
        return before + self._tell(self._screened(told, _DELTAS.get(kind, _DELTA)))

    def _stop(self, told: Told) -> bytes:
        index = block_index(told.document)
        shown = self._screened(told, _SIMPLE[told.name])
        call = self._calls.pop(index, None)
        if call is None:
            return self._settle(index) + self._tell(shown)
        self._close(index, call, shown)
        return self._leave(self._queue.drain())

    def _text(self, index: int, kind: str, text: str) -> str:
        return self._texts.add(index, kind, _GOES_ON[kind][1], text)

    def _settle(self, index: int) -> bytes:
        """End the text of a block and return the event with what was held back of it."""
        kind, rest = self._texts.settle(index)
        if not rest:
            return b""
        return self._tell(Told("content_block_delta", delta(index, kind, **{_GOES_ON[kind][0]: rest}), {}))

    # --- calls of tools

    def _add(self, call: HeldCall, told: Told, piece: dict[str, Any]) -> None:
        self._queue.count(len(told.data))
        part = piece.get("partial_json")
        if piece["type"] != "input_json_delta" or not is_text(part):
            call.others.append(self._screened(told, _DELTA))
            return
        plain = len(piece) == 2 and told.document.keys() <= _PLAIN_EVENT
        call.pieces.append(part)
        call.raws.append(told if plain else self._screened(told, _DELTA, but=(("delta", "partial_json"),)))

    def _close(self, index: int, call: HeldCall, stop: Told | None = None) -> None:
        """Judge the input of a call that is whole, and let it leave."""
        start = call.start
        given = start.document["content_block"]["input"]
        if is_text(given) or (is_object(given) and given):
            text = given if is_text(given) else write(given).decode()
            released = self._argument(index, call, text)
            if released != text:
                start = _with(start, {_INPUT: released if is_text(given) else orjson.loads(released)})
        text = "".join(call.pieces)
        released = self._argument(index, call, text)
        inputs = call.raws
        if released != text:
            inputs = [Told("content_block_delta", delta(index, "input_json_delta", partial_json=released), {})]
        call.ready = [start, *inputs, *call.others, *([stop] if stop is not None else [])]

    def _argument(self, index: int, call: HeldCall, text: str) -> str:
        return self._texts.argument(index, call.name, text)

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


def _with(told: Told, edits: dict[Path, Any]) -> Told:
    document = replace_leaves(told.document, edits)
    return Told(told.name, encode(told.name, write(document)), document)
