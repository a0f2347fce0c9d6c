"""Streams of Responses under response guards: text leaves as far as the screen has released it, repeats likewise.

- Deltas of text, reasoning and refusals go on piece by piece; those of a tool's input are held until it is whole and
  leave as one.
- Before an event that says a text is done, what was held back of it leaves in one more delta.
- Events whose delta is held back whole are left out, others are added: the events that the client gets are numbered
  anew, without a gap.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.core.errors import InvalidAnswer
from gateway.core.exchange import Request
from gateway.core.ports import StreamMark, TextScreen
from gateway.wire.openai_responses.answer import answer_segments, strip_repeats
from gateway.wire.openai_responses.fields import INDEXES, Fields, item_number, leaves_of
from gateway.wire.openai_responses.items import annotation, item_of, tool_of
from gateway.wire.openai_responses.logprobs import without_logprobs
from gateway.wire.openai_responses.stream import ENDS, HEAD, ResponseReader, named_event
from gateway.wire.openai_stream import write_event
from gateway.wire.repeated_texts import Running, Texts
from gateway.wire.shapes import is_integer, is_object, is_text
from gateway.wire.sse import ServerSentEvent

# What a delta's text is, and whether it is held until it is whole, by what it is a delta of.
_RUNNING: dict[str, tuple[str, bool]] = {
    "response.output_text": ("text", False),
    "response.refusal": ("refusal", False),
    "response.reasoning_text": ("reasoning", False),
    "response.reasoning_summary_text": ("reasoning", False),
    "response.audio.transcript": ("text", False),
    "response.function_call_arguments": ("tool_argument", True),
    "response.mcp_call_arguments": ("tool_argument", True),
    "response.custom_tool_call_input": ("tool_argument", True),
    "response.code_interpreter_call_code": ("tool_argument", True),
    "response.shell_call_command": ("tool_argument", True),
    "response.apply_patch_call_operation_diff": ("tool_argument", True),
}
_ITEMS = ("response.output_item.added", "response.output_item.done")
_PARTS = frozenset((
    "response.content_part.added", "response.content_part.done", "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
))  # fmt: skip
_MEDIA = {"response.audio.delta": "delta", "response.image_generation_call.partial_image": "partial_image_b64"}
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_SUMMARY = "response.reasoning_summary"
_ITEM = item_of("assistant")
MAX_ITEMS = 4_096
MAX_TEXTS = 16_384

Place = tuple[str, int, int]


class ScreenedReader(ResponseReader):
    """Reads every event and releases what the screen releases; keeps what the client was given.

    Attributes:
        begun: By number, the items of the answer as the client first heard of them, each with the moment.
        ended: Those that are done, as they are then, each with the moment.
        told: Texts of items, by place, in the order in which they began.
    """

    __slots__ = ("_fields", "_next", "_running", "_texts", "_tools", "_written", "begun", "ended", "told")

    def __init__(self, request: Request, screen: TextScreen) -> None:
        super().__init__(request)
        self._texts = Texts(screen)
        self._fields = Fields(self._texts)
        self.begun: dict[int, tuple[int, dict[str, Any]]] = {}
        self.ended: dict[int, tuple[int, dict[str, Any]]] = {}
        self.told: list[tuple[Place, Running]] = []
        # Texts that are not done yet.
        self._running: dict[Place, Running] = {}
        # Events that the client has been given.
        self._written = 0
        self._tools: dict[int, str] = {}
        # The number of the next event for the client; ``None`` where the provider does not number.
        self._next: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        out = self._split(data)
        if out:
            self._keep(out)
        return out

    def mark(self) -> StreamMark:
        """Return this moment: see :meth:`gateway.core.ports.StreamReader.mark`."""
        return *super().mark(), self._written

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        super().rewind(mark)
        self._written = moment = mark[-1]
        if self._next is not None:
            self._next = self.next_event
        self.begun = {number: item for number, item in self.begun.items() if item[0] < moment}
        self.ended = {number: item for number, item in self.ended.items() if item[0] < moment}
        self.told = [(place, running) for place, running in self.told if running.begun < moment]
        for _, running in self.told:
            running.rewind(moment)

    def _count(self, number: int | None) -> None:
        if self._next is None and number is not None:
            self._next = number
            self.next_event = number

    def _shown(self, raw: bytes, event: ServerSentEvent, document: dict[str, Any]) -> bytes:
        came, document = document, self._fields.protocol(document)
        kind = document.get("type")
        if not is_text(kind):
            shown, _ = self._texts.document(0, document, leaves_of(document))
            return self._write([shown], came, raw, event)
        if kind.endswith(".delta") and not _is_media(kind, document):
            stem, delta = kind.removesuffix(".delta"), document.get("delta")
            # Deltas that are no text (what a shell printed) are left out: the event that ends them says all of it.
            left = self._delta(stem, document, delta) if is_text(delta) else []
            return self._write(left, came, raw, event)
        out = self._before(kind, document)
        out.append(self._whole(kind, document))
        return self._write(out, came, raw, event)

    # --- deltas

    def _delta(self, stem: str, document: dict[str, Any], delta: str) -> list[dict[str, Any]]:
        meant, held = _RUNNING.get(stem, (f"leaf/{stem}", False))
        number, place = item_number(document), _place(stem, document)
        running = self._running.get(place)
        if running is None:
            tool = self._tools.get(number, "") if held else ""
            running = self._running[place] = self._texts.begin(number, meant, tool, moment=self._written)
            self._tell(place, running)
        running.template = document
        document = self._fields.around(number, document, "delta")
        if held:
            self._texts.hold(running, delta)
            return []
        shown = self._texts.feed(running, delta, self._written)
        if not shown and delta:
            return []
        document = without_logprobs(document, shown, touched=running.touched)
        return [document if shown == delta else _without_padding({**document, "delta": shown})]

    def _tell(self, place: Place, running: Running) -> None:
        if len(self.told) >= MAX_TEXTS:
            raise InvalidAnswer(f"The provider's answer has more than {MAX_TEXTS} texts.")
        self.told.append((place, running))

    # --- ends

    def _before(self, kind: str, document: dict[str, Any]) -> list[dict[str, Any]]:
        """End the texts that an event says are done, and give deltas for what was held back of them."""
        if kind in ENDS:
            places = list(self._running)
        elif kind == "response.output_item.done":
            number = item_number(document)
            places = [place for place in self._running if place[1] == number]
        elif kind in _PARTS and kind.endswith("done"):
            _, number, index = _place("", document)
            summed = kind.startswith(_SUMMARY)
            places = [
                place
                for place in self._running
                if place[1:] == (number, index) and place[0].startswith(_SUMMARY) is summed
            ]
        elif kind.endswith(".done"):
            places = [place for place in (_place(kind.removesuffix(".done"), document),) if place in self._running]
        else:
            return []
        return [delta for place in places for delta in self._finish(place)]

    def _finish(self, place: Place) -> list[dict[str, Any]]:
        running = self._running.pop(place)
        template = running.template
        if _RUNNING.get(place[0], ("", False))[1]:
            tool = self._tools.get(place[1], "")
            rest = self._texts.once(place[1], "tool_argument", "".join(running.given), tool)
        else:
            rest = self._texts.finish(running, self._written)
        if not rest:
            return []
        left = {**template, "delta": rest}
        if "logprobs" in left and rest != template.get("delta"):
            left["logprobs"] = []
        return [_without_padding(left)]

    # --- what is said whole

    def _whole(self, kind: str, document: dict[str, Any]) -> dict[str, Any]:
        number = item_number(document)
        if kind in HEAD or kind in ENDS:
            return self._answer(document)
        if kind in _ITEMS and is_object(document.get("item")):
            return self._item(kind, number, document)
        if kind in _PARTS:
            return self._fields.part(number, document)
        if kind == "response.output_text.annotation.added":
            return self._fields.below(number, document, "annotation", annotation)
        if _is_media(kind, document):
            return self._fields.around(number, document, _MEDIA[kind])
        meant = _RUNNING.get(kind.removesuffix(".done").removesuffix(".added"), ("leaf", False))[0]
        return self._fields.said(number, document, meant, self._tools.get(number, ""))

    def _answer(self, document: dict[str, Any]) -> dict[str, Any]:
        response = document["response"]
        shown, edited = self._texts.document(0, response, list(answer_segments(response)))
        if edited:
            shown = strip_repeats(shown, edited)
        self.response = shown
        return document if shown is response else {**document, "response": shown}

    def _item(self, kind: str, number: int, document: dict[str, Any]) -> dict[str, Any]:
        item = document["item"]
        meant = item.get("type")
        self._tools[number] = tool_of(item, meant) if is_text(meant) else ""
        if len(self.begun) > MAX_ITEMS:
            raise InvalidAnswer(f"The provider's answer has more than {MAX_ITEMS} items.")
        document = self._fields.below(number, document, "item", _ITEM)
        known = self.ended if kind.endswith("done") else self.begun
        known[number] = (self._written, document["item"])
        return document

    # --- out

    def _write(
        self, documents: list[dict[str, Any]], came: dict[str, Any], raw: bytes, event: ServerSentEvent
    ) -> bytes:
        out: list[bytes] = []
        for document in documents:
            self._written += 1
            number = self._next
            if number is None or "sequence_number" not in came:
                left = document
            else:
                self._next = number + 1
                self.next_event = number + 1
                if self._request.after is not None and number <= self._request.after:
                    continue
                left = document
                if document.get("sequence_number") != number:
                    left = {**document, "sequence_number": number}
            if left is came:
                out.append(raw)
            else:
                out.append(write_event(left) if event.name == b"message" else named_event(left))
        return b"".join(out)


def _place(stem: str, document: dict[str, Any]) -> Place:
    index = next((at for name in INDEXES if is_integer(at := document.get(name))), 0)
    return stem, item_number(document), index


def _is_media(kind: str, document: dict[str, Any]) -> bool:
    held = document.get(_MEDIA.get(kind, ""))
    return is_text(held) and _BASE64.fullmatch(held) is not None


def _without_padding(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out the padding that hides how long a delta is: it belongs to another one."""
    return {name: value for name, value in document.items() if name != "obfuscation"}
