"""Streams of Responses as they pass: events with names and numbers, whose last one carries the whole answer.

:class:`PassReader` is the hot path: a network read that is nothing but whole events of an answer under way is returned
as it came. The events before the first one with content are held, so that an error which comes instead of content still
becomes an answer with a status of its own. The last event waits for :meth:`ResponseReader.finish`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.core.errors import GatewayError, InvalidAnswer, StreamBroken
from gateway.core.exchange import AnswerFacts, Request
from gateway.core.ports import StreamMark
from gateway.wire.openai_responses.answer import read_answer
from gateway.wire.openai_responses.errors import failure_of
from gateway.wire.openai_responses.names import sealed_event
from gateway.wire.openai_stream import load_object, write
from gateway.wire.shapes import is_integer, is_object, is_text
from gateway.wire.sse import EventSplitter, ServerSentEvent, parse_event

KEPT_BYTES = 262_144
# The last event repeats images.
MAX_EVENT_BYTES = 33_554_432
HEAD = frozenset(("response.created", "response.queued", "response.in_progress"))
ENDS = frozenset(("response.completed", "response.incomplete", "response.failed", "response.cancelled"))
# Events that say more than their delta. Quotes inside JSON strings are escaped, so none of these is what a model wrote.
_TELLING = re.compile(
    rb'"error"|\[DONE\]|"response\.(?:created|queued|in_progress|completed|incomplete|failed|cancelled)"'
)


class ResponseReader:
    """What the readers of a stream share. Subclasses say what becomes of an event.

    Attributes:
        facts, done, kept: See :class:`gateway.core.ports.StreamReader`.
        next_event: The number of the event that would come next.
        response: The answer as the last event that carried one has it.
    """

    __slots__ = ("_end", "_failure", "_held", "_request", "_room", "_splitter", "done", "facts",
                 "kept", "next_event", "response")  # fmt: skip

    def __init__(self, request: Request) -> None:
        self.facts = AnswerFacts()
        self.done = False
        self.kept: list[bytes] = []
        self.next_event = 0
        self.response: dict[str, Any] = {}
        self._request = request
        self._splitter = EventSplitter(max_event_bytes=MAX_EVENT_BYTES)
        self._end = b""
        self._room = KEPT_BYTES
        self._failure: GatewayError | None = None
        # Events before the first one with content; ``None`` once that has come. Who asked for an answer that goes on
        # without him wants to know at once what it is called.
        self._held: list[bytes] | None = None if request.detached else []

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        if self._failure is not None:
            # What it released was given away when it was raised first.
            self._failure.released = b""
            raise self._failure
        rest = self._splitter.rest()
        last = self._take([rest]) if rest.endswith(b"\r\n\r") and not self.done else b""
        if not self.done and not (self._request.after is not None and not self.facts.chunks):
            raise self._failed(StreamBroken("The provider's stream ended before it was whole."), [last])
        return b"".join((last, *self._let_go(), self._end))

    def mark(self) -> StreamMark:
        """Return this moment: see :meth:`gateway.core.ports.StreamReader.mark`."""
        return 0, len(self.kept), self.next_event

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        _, kept, self.next_event, *_ = mark
        # The last event says everything.
        del self.kept[0 if self.done else kept :]
        # What follows in a stream that was cut is not kept either.
        self._room = -1

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        self._failure = None
        self._splitter.rest()

    def _split(self, data: bytes) -> bytes:
        if self.done or self._failure is not None:
            return b""
        try:
            events = self._splitter.feed(data)
        except GatewayError as error:
            raise self._failed(error, []) from None
        return self._take(events)

    def _take(self, events: list[bytes]) -> bytes:
        out: list[bytes] = []
        try:
            for raw in events:
                out.append(self._event(raw))
                if self.done:
                    break
        except GatewayError as error:
            raise self._failed(error, out) from None
        return b"".join(out)

    def _failed(self, error: GatewayError, out: list[bytes]) -> GatewayError:
        error.released = b"".join(out)
        self._failure = error
        return error

    def _event(self, raw: bytes) -> bytes:
        event = parse_event(raw)
        if event is None:
            return self._hold(raw)
        if event.data.startswith(b"[DONE]"):
            # Some servers end with it, after the event that ends the answer.
            return b""
        document = load_object(event.data)
        said = document.get("type")
        kind = said if is_text(said) else ""
        if kind == "error" or event.name == b"error" or document.get("error"):
            raise failure_of(document)
        self.facts.chunks += 1
        number = document.get("sequence_number")
        self._count(number if is_integer(number) else None)
        if kind in HEAD:
            self._learn(document)
            return self._hold(self._named(self._shown(raw, event, document), event, document))
        if kind in ENDS:
            self._learn(document)
            if kind == "response.failed" and self._held is not None:
                raise failure_of(self.response)
            self._end = self._named(self._shown(raw, event, document), event, document)
            self.done = True
            self._keep_end(self._end)
            return b""
        shown = self._shown(raw, event, document)
        return b"".join((*self._let_go(), shown))

    def _hold(self, shown: bytes) -> bytes:
        if self._held is None:
            return shown
        self._held.append(shown)
        return b""

    def _let_go(self) -> list[bytes]:
        held, self._held = self._held, None
        return held or []

    def _learn(self, document: dict[str, Any]) -> None:
        response = document.get("response")
        if not is_object(response):
            raise InvalidAnswer("The provider sent an event without the answer that it is about.")
        self.response = response
        learned, facts = read_answer(response), self.facts
        facts.model_served = learned.model_served or facts.model_served
        facts.finish_reason = learned.finish_reason or facts.finish_reason
        if self._request.operation:
            # Fetching an answer uses nothing: it was weighed when it was made.
            facts.usage = learned.usage or facts.usage

    def _named(self, shown: bytes, event: ServerSentEvent, document: dict[str, Any]) -> bytes:
        """Seal the names in an event that carries the answer."""
        return sealed_event(shown, event.data, self._request)

    def _keep(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self.kept.append(data)
        else:
            self._room = -1

    def _keep_end(self, end: bytes) -> None:
        """Keep the last event instead of all others: it says everything again."""
        if len(end) <= KEPT_BYTES:
            self.kept[:] = [end]
            self._room = -1

    def _count(self, number: int | None) -> None:
        """Take the number of an event that the provider sent."""
        if number is not None:
            self.next_event = number + 1

    def _shown(self, raw: bytes, event: ServerSentEvent, document: dict[str, Any]) -> bytes:
        """Say what the client gets of an event."""
        raise NotImplementedError


class PassReader(ResponseReader):
    """Passes a stream on and reads its facts on the way; keeps what the provider sent."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        if self._room >= 0:
            self._keep(data)
        if self._held is None and not self.done and not self._splitter.carry and (events := plain_events(data)):
            self.facts.chunks += events
            self.next_event += events
            return data
        return self._split(data)

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        super().resume(taken)
        if len(taken) <= KEPT_BYTES:
            # Without the event that was cut, which would spoil the next one.
            self.kept[:] = [taken]
            self._room = KEPT_BYTES - len(taken)

    def _shown(self, raw: bytes, event: ServerSentEvent, document: dict[str, Any]) -> bytes:
        return raw


def plain_events(data: bytes) -> int:
    """Count the events of a network read that is nothing but whole events with nothing to learn from.

    Returns:
        How many, or 0 when the bytes must be looked at event by event.
    """
    starts = data.startswith((b"event: response.", b"data: {"))
    if not (starts and data.endswith(b"}\n\n")) or data.find(b"\r") >= 0 or _TELLING.search(data):
        return 0
    return data.count(b"\n\n")


def named_event(document: dict[str, Any]) -> bytes:
    """Write an event with its name."""
    return b"event: %b\ndata: %b\n\n" % (str(document.get("type")).encode(), write(document))


def documents_of(kept: list[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the documents of the whole events among a stream's kept bytes; what is none is left out."""
    data = b"".join(kept)
    for raw in EventSplitter(max_event_bytes=len(data)).feed(data):
        event = parse_event(raw)
        if event is None or event.data.startswith(b"[DONE]"):
            continue
        try:
            document = load_object(event.data)
        except InvalidAnswer:
            continue
        if is_text(document.get("type")):
            yield document
