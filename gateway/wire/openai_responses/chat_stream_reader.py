"""A stream read as events that belong to no dialect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.core.chat import Opaque
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.errors import InvalidAnswer, StreamBroken
from gateway.wire.openai_responses.answer import read_answer
from gateway.wire.openai_responses.chat_answer import created_s
from gateway.wire.openai_responses.chat_pieces import read_citations, read_finish, read_logprobs, text_of
from gateway.wire.openai_responses.errors import failure_of
from gateway.wire.openai_responses.request import DIALECT_NAME
from gateway.wire.openai_responses.stream import ENDS, HEAD, MAX_EVENT_BYTES
from gateway.wire.openai_stream import load_object
from gateway.wire.shapes import is_integer, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

MAX_ITEMS = 4_096
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_KNOWN = frozenset(("message", "reasoning", *_CALLS))


class ResponseEventReader:
    """Reads one stream: see :class:`gateway.core.codec.EventReader`."""

    __slots__ = ("_argued", "_began", "_blocks", "_calls", "_done", "_refused", "_splitter", "_takes")

    def __init__(self) -> None:
        self._splitter = EventSplitter(max_event_bytes=MAX_EVENT_BYTES)
        self._began = self._done = self._refused = False
        # Numbers of calls, and of blocks, by the item and part that they are.
        self._calls: dict[int, int] = {}
        self._blocks: dict[tuple[int, str, int], int] = {}
        self._argued: set[int] = set()
        self._takes: dict[str, Callable[[dict[str, Any], list[ChatEvent]], None]] = {
            "response.output_text.delta": self._said,
            "response.output_text.annotation.added": self._cited,
            "response.refusal.delta": self._refusal,
            "response.reasoning_summary_text.delta": self._thought,
            "response.reasoning_text.delta": self._thought,
            "response.function_call_arguments.delta": self._more,
            "response.custom_tool_call_input.delta": self._more,
            "response.output_item.added": self._added,
            "response.output_item.done": self._ended_item,
        }

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes."""
        out: list[ChatEvent] = []
        if not self._done:
            for raw in self._splitter.feed(data):
                self._event(raw, out)
        return out

    def finish(self) -> Sequence[ChatEvent]:
        """The body has ended."""
        if not self._done:
            raise StreamBroken("The provider's stream ended before it was whole.")
        return ()

    def _event(self, raw: bytes, out: list[ChatEvent]) -> None:
        event = parse_event(raw)
        if event is None or self._done or event.data.startswith(b"[DONE]"):
            return
        document = load_object(event.data)
        kind = text_of(document, "type")
        if kind == "error" or event.name == b"error" or document.get("error"):
            raise failure_of(document)
        if kind in HEAD or kind in ENDS:
            response = document.get("response")
            if not is_object(response):
                raise InvalidAnswer("The provider sent an event without the answer that it is about.")
            self._lifecycle(kind, response, out)
            return
        take = self._takes.get(kind) if is_text(kind) else None
        if take is not None:
            self._begin({}, out)
            take(document, out)

    def _lifecycle(self, kind: Any, response: dict[str, Any], out: list[ChatEvent]) -> None:
        if kind in ("response.failed", "response.cancelled"):
            raise failure_of(response)
        self._begin(response, out)
        if kind in ENDS:
            finish = read_finish(response, called=bool(self._calls), refused=self._refused)
            out += (Finished(choice=0, finish=finish), Ended(usage=read_answer(response).usage))
            self._done = True

    def _begin(self, response: dict[str, Any], out: list[ChatEvent]) -> None:
        if not self._began:
            self._began = True
            out.append(
                Began(
                    id=text_of(response, "id"),
                    model=text_of(response, "model"),
                    created_s=created_s(response),
                    service_tier=text_of(response, "service_tier"),
                )
            )

    def _block(self, document: dict[str, Any], kind: str) -> int:
        number, index = document.get("output_index"), document.get("content_index", document.get("summary_index"))
        place = (number if is_integer(number) else 0, kind, index if is_integer(index) else 0)
        if place not in self._blocks and len(self._blocks) >= MAX_ITEMS:
            raise InvalidAnswer(f"The provider's answer has more than {MAX_ITEMS} parts.")
        return self._blocks.setdefault(place, len(self._blocks))

    def _said(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        text, likely = text_of(document, "delta"), read_logprobs(document.get("logprobs"))
        out.append(Said(choice=0, text=text, block=self._block(document, "text"), logprobs=likely))

    def _cited(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        citations = read_citations([document.get("annotation")])
        out.append(Said(choice=0, text="", block=self._block(document, "text"), citations=citations))

    def _refusal(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        self._refused = True
        out.append(Refused(choice=0, text=text_of(document, "delta")))

    def _thought(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        summary = "summary_index" in document
        block = self._block(document, "summary" if summary else "thought")
        out.append(
            Thought(choice=0, text=text_of(document, "delta"), block=block, summary=summary, origin=DIALECT_NAME)
        )

    def _added(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        item, number = document.get("item"), document.get("output_index")
        if not is_object(item) or not is_integer(number) or text_of(item, "type") not in _CALLS:
            return
        if len(self._calls) >= MAX_ITEMS:
            raise InvalidAnswer(f"The provider's answer has more than {MAX_ITEMS} calls.")
        call = self._calls.setdefault(number, len(self._calls))
        custom = item["type"] == "custom_tool_call"
        identity = text_of(item, "call_id") or text_of(item, "id")
        out.append(Called(choice=0, call=call, id=identity, name=text_of(item, "name"), custom=custom))

    def _more(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        number = document.get("output_index")
        if not is_integer(number) or number not in self._calls:
            raise InvalidAnswer("The provider sent arguments of a call that never began.")
        self._argued.add(number)
        out.append(Argued(choice=0, call=self._calls[number], arguments=text_of(document, "delta")))

    def _ended_item(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        item, number = document.get("item"), document.get("output_index")
        if not is_object(item) or not is_integer(number):
            return
        kind = text_of(item, "type")
        if kind in _CALLS:
            if number not in self._calls:
                self._added(document, out)
            arguments = text_of(item, _CALLS[kind])
            if number not in self._argued and arguments:
                # Some servers send calls in one piece.
                out.append(Argued(choice=0, call=self._calls[number], arguments=arguments))
        elif kind == "reasoning":
            if sealed := text_of(item, "encrypted_content"):
                block = self._block({"output_index": number}, "sealed")
                out.append(Thought(choice=0, encrypted=sealed, block=block, summary=True, origin=DIALECT_NAME))
        elif kind and kind not in _KNOWN:
            out.append(Foreign(choice=0, piece=Opaque(dialect=DIALECT_NAME, kind=kind, document=item)))
