"""Events written as a stream: items that begin, go on and end, and the whole answer at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.core.chat import ChatRequest, Citation, Finish, Opaque, TokenLogprob, ToolCall
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.usage import Usage
from gateway.wire.openai_responses.chat_answer import ended, envelope
from gateway.wire.openai_responses.chat_items import Items
from gateway.wire.openai_responses.chat_pieces import write_citations, write_finish, write_logprobs
from gateway.wire.openai_responses.merge import Script
from gateway.wire.openai_responses.request import DIALECT_NAME
from gateway.wire.openai_responses.stream import documents_of
from gateway.wire.shapes import is_integer, is_object, is_text

_STEMS = {
    "output_text": ("response.output_text", "text", "content", "response.content_part"),
    "refusal": ("response.refusal", "refusal", "content", "response.content_part"),
    "reasoning_text": ("response.reasoning_text", "text", "content", "response.content_part"),
    "summary_text": ("response.reasoning_summary_text", "text", "summary", "response.reasoning_summary_part"),
}


class _Part:
    """A part of an item that has begun."""

    __slots__ = ("citations", "index", "key", "kind", "logprobs", "pieces")

    def __init__(self, key: tuple[str, int], kind: str, index: int) -> None:
        self.key = key
        self.kind = kind
        self.index = index
        self.pieces: list[str] = []
        self.citations: list[Citation] = []
        self.logprobs: list[TokenLogprob] = []

    def whole(self) -> dict[str, Any]:
        """The part as it is when it is done."""
        text = "".join(self.pieces)
        held: dict[str, Any] = {"type": self.kind, _STEMS[self.kind][1]: text}
        if self.kind == "output_text":
            notes = write_citations(tuple(self.citations), len(text))
            held |= {"annotations": notes, "logprobs": write_logprobs(tuple(self.logprobs))}
        return held


class _Item:
    """An item that has begun."""

    __slots__ = ("arguments", "document", "ended", "number", "open")

    def __init__(self, number: int, document: dict[str, Any]) -> None:
        self.number = number
        self.document = document
        self.open: _Part | None = None
        self.ended = False
        self.arguments: list[str] = []


class ResponseEventWriter:
    """Writes one stream: see :class:`gateway.core.codec.EventWriter`.

    Args:
        chat: What was asked; an answer repeats it.
    """

    __slots__ = (
        "_calls",
        "_chat",
        "_envelope",
        "_finish",
        "_items",
        "_making",
        "_message",
        "_out",
        "_script",
        "_thought",
    )

    def __init__(self, chat: ChatRequest) -> None:
        self._chat = chat
        self._script = Script()
        self._out: list[bytes] = []
        self._envelope: dict[str, Any] = {}
        self._items: list[_Item] = []
        self._calls: dict[int, _Item] = {}
        self._message: _Item | None = None
        self._thought: _Item | None = None
        self._making = Items("")
        self._finish: Finish | None = None

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Write events."""
        for event in events:
            self._write(event)
        out, self._out = self._out, []
        return b"".join(out)

    def take_over(self, taken: bytes) -> None:
        """Go on with a stream that somebody else has begun, under the names and numbers in it.

        Args:
            taken: The whole events so far; what they say was written here already.
        """
        names: dict[Any, Any] = {}
        for document in documents_of([taken]):
            number, item = document.get("sequence_number"), document.get("item")
            if is_integer(number):
                self._script.number = number + 1
            if document.get("type") == "response.output_item.added" and is_object(item):
                names[document.get("output_index")] = item.get("id")
        for item in self._items:
            if is_text(name := names.get(item.number)):
                item.document["id"] = name

    def _write(self, event: ChatEvent) -> None:
        if isinstance(event, Said):
            self._said(event)
        elif isinstance(event, Argued):
            self._argued(event)
        elif isinstance(event, Thought):
            self._thinks(event)
        elif isinstance(event, Refused):
            self._more(self._speaking(), ("refusal", 0), "refusal", event.text)
        elif isinstance(event, Called):
            self._called(event)
        elif isinstance(event, Foreign):
            self._foreign(event.piece)
        else:
            self._frame(event)

    def _frame(self, event: Began | Finished | Ended) -> None:
        if isinstance(event, Began):
            self._making = Items(event.id)
            self._envelope = envelope(self._chat, event.id, event.model, event.created_s, event.service_tier)
            self._event("response.created", response=self._envelope)
            self._event("response.in_progress", response=self._envelope)
        elif isinstance(event, Finished):
            self._finish = event.finish
            for item in self._items:
                self._end(item)
        else:
            self._last(event.usage)

    def _last(self, usage: Usage | None) -> None:
        how = write_finish(self._finish)
        output = [item.document for item in self._items]
        self._event(f"response.{how[0]}", response=ended(self._envelope, output, how, usage))

    def _event(self, kind: str, **more: Any) -> None:
        self._out.append(self._script.event(kind, **more))

    # --- items

    def _begin(self, document: dict[str, Any], shown: dict[str, Any]) -> _Item:
        item = _Item(len(self._items), document)
        self._items.append(item)
        self._making.done().append(document)
        self._event("response.output_item.added", output_index=item.number, item=shown)
        return item

    def _speaking(self) -> _Item:
        if self._message is None or (self._message.number != len(self._items) - 1 and self._message.open is None):
            document = self._making.message()
            self._message = self._begin(document, {**document, "status": "in_progress"})
        return self._message

    def _said(self, event: Said) -> None:
        key = ("text", event.block)
        message = self._message
        if (
            message is not None
            and message.number != len(self._items) - 1
            and (message.open is None or message.open.key != key)
        ):
            # Something else has begun since: this is another message.
            self._end(message)
            self._message = None
        item = self._speaking()
        part = self._more(item, key, "output_text", event.text, event.logprobs)
        part.citations += event.citations

    def _thinks(self, event: Thought) -> None:
        kind = "summary_text" if event.summary else "reasoning_text"
        own, key = event.origin == DIALECT_NAME, (kind, event.block)
        if not event.text and not (own and event.encrypted):
            # Another provider's seal, worth nothing here.
            return
        item = self._thought
        last = None if item is None or item.open is None else item.open
        # A summary comes before the thought itself, where one item has both.
        another = last is not None and last.key != key and (not own or (event.summary and last.kind != kind))
        if item is None or another or item.number != len(self._items) - 1:
            document = self._making.reasoning()
            item = self._thought = self._begin(document, dict(document))
        if event.text:
            self._more(item, key, kind, event.text)
        if own and event.encrypted:
            item.document["encrypted_content"] = event.encrypted

    def _called(self, event: Called) -> None:
        part = ToolCall(id=event.id, name=event.name, arguments="", custom=event.custom)
        document = self._making.call(part)
        self._making.calls += 1
        shown = {**document, "status": "in_progress"} if "status" in document else document
        self._calls[event.call] = self._begin(document, dict(shown))

    def _argued(self, event: Argued) -> None:
        item = self._calls.get(event.call)
        if item is None or not event.arguments:
            return
        item.arguments.append(event.arguments)
        self._event(f"{_stem(item)[0]}.delta", **self._at(item), delta=event.arguments)

    def _foreign(self, piece: Opaque) -> None:
        if piece.dialect == DIALECT_NAME:
            self._begin(piece.document, piece.document)

    def _more(
        self,
        item: _Item,
        key: tuple[str, int],
        kind: str,
        text: str,
        logprobs: tuple[TokenLogprob, ...] | None = None,
    ) -> _Part:
        part = item.open
        if part is None or part.key != key:
            self._end_part(item)
            part = item.open = self._begin_part(item, key, kind)
        if text or logprobs:
            part.pieces.append(text)
            more: dict[str, Any] = {}
            if kind == "output_text":
                part.logprobs += logprobs or ()
                more["logprobs"] = write_logprobs(logprobs)
            self._event(f"{_STEMS[kind][0]}.delta", **self._at(item, part), delta=text, **more)
        return part

    def _begin_part(self, item: _Item, key: tuple[str, int], kind: str) -> _Part:
        part = _Part(key, kind, len(item.document.get(_STEMS[kind][2], ())))
        self._event(f"{_STEMS[kind][3]}.added", **self._at(item, part), part=part.whole())
        return part

    def _end_part(self, item: _Item) -> None:
        part, item.open = item.open, None
        if part is None:
            return
        stem, field, holder, around = _STEMS[part.kind]
        whole = part.whole()
        at = self._at(item, part)
        for index, note in enumerate(whole.get("annotations", ())):
            self._event("response.output_text.annotation.added", **at, annotation_index=index, annotation=note)
        more = {"logprobs": whole["logprobs"]} if "logprobs" in whole else {}
        self._event(f"{stem}.done", **at, **{field: whole[field]}, **more)
        self._event(f"{around}.done", **at, part=whole)
        item.document.setdefault(holder, []).append(whole)

    def _end(self, item: _Item) -> None:
        if item.ended:
            return
        item.ended = True
        self._end_part(item)
        document = item.document
        if document.get("type") in ("function_call", "custom_tool_call") and item in self._calls.values():
            stem, field = _stem(item)
            document[field] = "".join(item.arguments)
            self._event(f"{stem}.done", **self._at(item), **{field: document[field]})
        self._event("response.output_item.done", output_index=item.number, item=document)

    def _at(self, item: _Item, part: _Part | None = None) -> dict[str, Any]:
        at = {"item_id": item.document.get("id"), "output_index": item.number}
        return at if part is None else {**at, f"{_STEMS[part.kind][2]}_index": part.index}


def _stem(item: _Item) -> tuple[str, str]:
    if item.document["type"] == "custom_tool_call":
        return "response.custom_tool_call_input", "input"
    return "response.function_call_arguments", "arguments"
