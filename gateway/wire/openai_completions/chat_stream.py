"""Completions chunks as events that belong to no dialect, and back: as much as one plain text needs.

The dialect joins no other one; this serves a stream that was cut and that another deployment goes on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.core.chat import Finish
from gateway.core.chat_events import Began, ChatEvent, Ended, Finished, Refused, Said
from gateway.core.errors import StreamBroken
from gateway.core.usage import Usage
from gateway.wire.openai_failures import provider_failure
from gateway.wire.openai_stream import DONE, load_object, write_event
from gateway.wire.openai_usage import openai_usage
from gateway.wire.shapes import is_array, is_integer, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

_FINISHES: dict[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}


class TextEventReader:
    """Reads one stream: see :class:`gateway.core.codec.EventReader`."""

    __slots__ = ("_began", "_done", "_finished", "_splitter", "_usage")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._usage: Usage | None = None
        self._began = self._done = self._finished = False

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes."""
        out: list[ChatEvent] = []
        for raw in self._splitter.feed(data):
            event = parse_event(raw)
            if event is None or self._done:
                continue
            if event.data.startswith(b"[DONE]"):
                self._end(out)
            else:
                self._chunk(load_object(event.data), out)
        return out

    def finish(self) -> Sequence[ChatEvent]:
        """The body has ended."""
        out: list[ChatEvent] = []
        if not self._done:
            self._end(out)
        return out

    def _end(self, out: list[ChatEvent]) -> None:
        if not self._finished:
            raise StreamBroken("The provider's stream ended before it was whole.")
        self._done = True
        out.append(Ended(usage=self._usage))

    def _chunk(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        if error := document.get("error"):
            raise provider_failure(error)
        if not self._began:
            self._began = True
            identity, model, created = document.get("id"), document.get("model"), document.get("created")
            out.append(
                Began(
                    id=identity if is_text(identity) else "",
                    model=model if is_text(model) else "",
                    created_s=created if is_integer(created) else 0,
                )
            )
        self._usage = openai_usage(document.get("usage")) or self._usage
        choices = document.get("choices")
        for choice in choices if is_array(choices) else ():
            if not is_object(choice):
                continue
            text, reason = choice.get("text"), choice.get("finish_reason")
            if is_text(text) and text:
                out.append(Said(choice=0, text=text))
            if is_text(reason) and reason and not self._finished:
                self._finished = True
                out.append(Finished(choice=0, finish=_FINISHES.get(reason, "stop")))


class TextEventWriter:
    """Writes one stream: see :class:`gateway.core.codec.EventWriter`.

    The usage is always written; the dialect's own reader hides it from a client that did not ask.
    """

    __slots__ = ("_envelope",)

    def __init__(self) -> None:
        self._envelope: dict[str, Any] = {}

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Write events."""
        out: list[bytes] = []
        for event in events:
            if isinstance(event, Began):
                named = {"id": event.id, "object": "text_completion", "created": event.created_s, "model": event.model}
                self._envelope = named
            elif isinstance(event, Said | Refused):
                out.append(self._piece(event.text, None))
            elif isinstance(event, Finished):
                out.append(self._piece("", event.finish if event.finish in _FINISHES else "stop"))
            elif isinstance(event, Ended):
                if (used := event.usage) is not None:
                    usage = {"prompt_tokens": used.input_tokens, "completion_tokens": used.output_tokens}
                    usage["total_tokens"] = used.input_tokens + used.output_tokens
                    out.append(write_event({**self._envelope, "choices": [], "usage": usage}))
                out.append(DONE)
        return b"".join(out)

    def _piece(self, text: str, finish: str | None) -> bytes:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        return write_event({**self._envelope, "choices": [choice]})
