"""Streams of chat and completions chunks, as they pass: what every such stream has, whatever is in its deltas.

:class:`PassReader` is the hot path. A network read that is nothing but whole, unremarkable events is returned as it
came; only the first events of a stream, and those that say something (usage, a finish reason, an error), are parsed.
Bytes never leave before the event they belong to is complete, and ``[DONE]`` waits for :meth:`EventReader.finish`. What
says nothing yet (who speaks, signs of life) waits for the first event that does, so that an error in its place can
still be a status, however the bytes were cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from gateway.core.errors import Blocked, GatewayError, InvalidAnswer, StreamBroken
from gateway.core.exchange import AnswerFacts, Request
from gateway.core.ports import StreamMark
from gateway.core.usage import set_apart
from gateway.wire.openai_answer import joined_reasons, says
from gateway.wire.openai_failures import provider_failure
from gateway.wire.openai_usage import openai_usage
from gateway.wire.shapes import is_array, is_integer, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

KEPT_BYTES = 262_144
MAX_CHOICES = 1_024
# Events that wait for the first one that says something.
MAX_EARLY = 64
DONE = b"data: [DONE]\n\n"
# What identifies a chunk; the rest of it is about its choices.
ENVELOPE = ("id", "object", "created", "model", "system_fingerprint", "service_tier")

_NULL_USAGE = b',"usage":null'
# A chunk that says more than its delta: an error, or a finish reason or usage that is not null.
_TELLING = re.compile(rb'"(?:error"|finish_reason"(?!: ?null)|usage"(?!: ?null))')


class EventReader:
    """What the readers of a stream share: framing, facts, the end. Subclasses say what becomes of a chunk.

    Attributes:
        facts, done, kept: See :class:`gateway.core.ports.StreamReader`.
        envelope: The chunk parsed last.
    """

    __slots__ = ("_early", "_end", "_failure", "_hides_null", "_learned", "_quick", "_request", "_room", "_seen",
                 "_splitter", "done", "envelope", "facts", "finished", "kept")  # fmt: skip

    def __init__(self, request: Request) -> None:
        self.facts = AnswerFacts()
        self.done = False
        self.kept: list[bytes] = []
        self.envelope: dict[str, Any] = {}
        # Finish reason by choice.
        self.finished: dict[int, str] = {}
        self._seen: set[int] = set()
        self._request = request
        self._splitter = EventSplitter()
        self._end = DONE
        self._room = KEPT_BYTES
        self._failure: GatewayError | None = None
        # The first chunk with choices was seen, and with it how this provider writes.
        self._learned = False
        # What waits for the first event that says something; ``None`` once that has left.
        self._early: list[bytes] | None = []
        # Unremarkable chunks need not be read: nothing in them would change what is known. With several choices every
        # chunk is read, to know which of them are still open.
        self._quick = False
        # This provider writes ``"usage":null`` at the top of its chunks, and the client did not ask for usage.
        self._hides_null = False

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        if self._failure is not None:
            # What it released was given away when it was raised first.
            self._failure.released = b""
            raise self._failure
        rest = self._splitter.rest()
        last = b""
        if rest and not self.done:
            last = self._take([rest]) if rest.endswith(b"\r\n\r") else self._unended(rest)
        if not self.done and not (self.finished and self._seen <= self.finished.keys()):
            raise self._failed(StreamBroken("The provider's stream ended before it was whole."), [last])
        try:
            return b"".join((last, *(self._early or ()), self._flush(), self._end))
        except GatewayError as error:
            raise self._failed(error, [last]) from None

    def mark(self) -> StreamMark:
        """Return this moment: see :meth:`gateway.core.ports.StreamReader.mark`."""
        return len(self.finished), len(self.kept)

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        for index in list(self.finished)[mark[0] :]:
            del self.finished[index]
        del self.kept[mark[1] :]
        # What follows in a stream that was cut is not kept either.
        self._room = -1

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        self._failure = None
        self._splitter.rest()

    def open_choices(self) -> list[int]:
        """Choices that have no finish reason yet, those that were asked for and never seen included."""
        return sorted(self._seen.union(range(self._request.choices)).difference(self.finished))

    def _split(self, data: bytes) -> bytes:
        """Take the next bytes the slow way: event by event."""
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
            for event in events:
                out.append(self._event(event))
                if self.done:
                    break
        except GatewayError as error:
            raise self._failed(error, out) from None
        return b"".join(out)

    def _failed(self, error: GatewayError, out: list[bytes]) -> GatewayError:
        error.released = b"".join(out)
        self._failure = error
        self._quick = False
        return error

    def _event(self, raw: bytes) -> bytes:
        event = parse_event(raw)
        if event is None:
            return raw if self._early is None else self._wait(raw, opens=False)
        if event.data.startswith(b"[DONE]"):
            self.done = True
            self._quick = False
            self._end = raw
            return b""
        self.facts.chunks += 1
        document = load_object(event.data)
        error = document.get("error")
        if error or event.name == b"error":
            raise provider_failure(error or document)
        ended = len(self.finished)
        self._read(document)
        if not self._learned and document.get("choices"):
            self._learn(raw, document)
        try:
            shown = self._chunk(raw, document)
        except Blocked:
            # The client was not told of the ends in this chunk: it is to be told of another.
            for index in list(self.finished)[ended:]:
                del self.finished[index]
            raise
        if self._early is None or not shown:
            return shown
        return self._wait(shown, opens=any(map(says, (document,) if shown == raw else chunks_of([shown]))))

    def _wait(self, shown: bytes, *, opens: bool) -> bytes:
        early = [*(self._early or ()), shown]
        if not opens and len(early) < MAX_EARLY:
            self._early = early
            return b""
        self._early = None
        self._quick = self._learned and self._request.choices == 1
        return b"".join(early)

    def _unended(self, rest: bytes) -> bytes:
        # Bytes without the empty line that ends an event are no event; only the end marker is taken without it.
        event = parse_event(rest)
        if event is not None and event.data.startswith(b"[DONE]"):
            self.done = True
        return b""

    def _learn(self, raw: bytes, document: dict[str, Any]) -> None:
        self._learned = True
        self._quick = self._early is None and self._request.choices == 1
        self._hides_null = (
            not self._request.wants_usage
            and "usage" in document
            and document["usage"] is None
            and raw.count(b'"usage"') == 1
            and _NULL_USAGE in raw
        )

    def _read(self, document: dict[str, Any]) -> None:
        self.envelope = document
        facts = self.facts
        if not facts.model_served and is_text(model := document.get("model")):
            facts.model_served = model
        if (usage := document.get("usage")) is not None:
            facts.usage = set_apart(openai_usage(usage), document.get("service_tier")) or facts.usage
        choices = document.get("choices")
        for choice in choices if is_array(choices) else ():
            if not is_object(choice):
                continue
            index = choice_index(choice)
            self._seen.add(index)
            reason = choice.get("finish_reason")
            if is_text(reason) and reason:
                self.finished[index] = reason
                facts.finish_reason = joined_reasons(self.finished[i] for i in sorted(self.finished))
        if len(self._seen) > MAX_CHOICES:
            raise InvalidAnswer(f"The provider's stream has more than {MAX_CHOICES} choices.")

    def _shown(self, raw: bytes) -> bytes:
        """The bytes of one event without the ``"usage":null`` that the client did not ask for."""
        # The last one, since the end of a chunk is its top level.
        if self._hides_null and (at := raw.rfind(_NULL_USAGE)) >= 0:
            return raw[:at] + raw[at + len(_NULL_USAGE) :]
        return raw

    def _keep(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self.kept.append(data)
        else:
            self._room = -1

    def _chunk(self, raw: bytes, document: dict[str, Any]) -> bytes:
        """Say what the client gets of a chunk."""
        raise NotImplementedError

    def _flush(self) -> bytes:
        """Give what is still held back when the stream is whole."""
        return b""


class PassReader(EventReader):
    """Passes a stream on and reads its facts on the way; keeps what the provider sent."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        if self._room >= 0:
            self._keep(data)
        if self._quick and not self._splitter.carry:
            events = plain_events(data)
            if events == 1 or (events and not self._hides_null):
                self.facts.chunks += events
                return self._shown(data)
        return self._split(data)

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        super().resume(taken)
        if len(taken) <= KEPT_BYTES:
            # Without the event that was cut, which would spoil the next one.
            self.kept[:] = [taken]
            self._room = KEPT_BYTES - len(taken)

    def _event(self, raw: bytes) -> bytes:
        if self._quick and plain_events(raw):
            self.facts.chunks += 1
            return self._shown(raw)
        return super()._event(raw)

    def _chunk(self, raw: bytes, document: dict[str, Any]) -> bytes:
        if self._request.wants_usage:
            return raw
        if document.get("usage") is None:
            return self._shown(raw)
        if not document.get("choices"):
            return b""
        return write_event({name: value for name, value in document.items() if name != "usage"})


def plain_events(data: bytes) -> int:
    """Count the events of a network read that is nothing but whole chunks with nothing to learn from.

    Everything asked here is a search for a few bytes: quotes inside JSON strings are escaped, so ``"usage"`` with both
    quotes bare is never part of what a model wrote.

    Returns:
        How many, or 0 when the bytes must be looked at event by event.
    """
    if not (data.startswith(b"data: {") and data.endswith(b"}\n\n")) or data.find(b"\r") >= 0 or _TELLING.search(data):
        return 0
    if data.find(b"\n") == len(data) - 2:
        return 1
    events = data.count(b"\n\n")
    return events if data.count(b"\n") == 2 * events == 2 * data.count(b"\n\ndata: {") + 2 else 0


def choice_index(choice: dict[str, Any]) -> int:
    """Return which choice this is; 0 when it does not say."""
    index = choice.get("index")
    return index if is_integer(index) else 0


def load_object(data: bytes) -> dict[str, Any]:
    """Parse the data of an event.

    Raises:
        InvalidAnswer: It is no JSON object.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        document = None
    if not is_object(document):
        raise InvalidAnswer("The provider sent an event that is no JSON object.")
    return document


def write(document: Any) -> bytes:
    """Write JSON of the provider's anew.

    Raises:
        InvalidAnswer: It is nested too deeply.
    """
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        raise InvalidAnswer("The provider sent an event that is nested too deeply.") from None


def write_event(document: Any) -> bytes:
    """Write a chunk as one event."""
    return b"data: " + write(document) + b"\n\n"


def envelope_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return what identifies a chunk, without its choices."""
    return {name: document[name] for name in ENVELOPE if name in document}


def ending(reader: Any, choice: dict[str, Any], reason: str = "content_filter") -> bytes:
    """Write the events that end a stream which we stop.

    Args:
        reader: The stream's reader.
        choice: What an empty choice looks like in this dialect, index and finish reason left out.
        reason: Why: a guard has stopped it, or ``length``.
    """
    envelope: dict[str, Any] = {}
    indexes = [0]
    if isinstance(reader, EventReader):
        envelope, indexes = envelope_of(reader.envelope), reader.open_choices()
    last = [
        write_event({**envelope, "choices": [{"index": index, **choice, "finish_reason": reason}]}) for index in indexes
    ]
    return b"".join((*last, DONE))


def restream(document: Any, piece: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """Write a whole answer as a stream: for each choice its text in one chunk, then its end; usage last.

    Args:
        document: The answer.
        piece: What a chunk's choice holds of a whole one.
    """
    envelope = {**envelope_of(document), "object": str(document.get("object", "")) + ".chunk"}
    if envelope["object"] == "text_completion.chunk":
        envelope["object"] = "text_completion"
    events: list[bytes] = []
    choices = document.get("choices")
    for choice in choices if is_array(choices) else ():
        if is_object(choice):
            held = {"index": choice_index(choice), "logprobs": None, **piece(choice)}
            empty = {name: type(value)() for name, value in held.items() if name in ("delta", "text")}
            reason = choice.get("finish_reason") or "stop"
            events.append(write_event({**envelope, "choices": [{**held, "finish_reason": None}]}))
            events.append(write_event({**envelope, "choices": [{**held, **empty, "finish_reason": reason}]}))
    if document.get("usage"):
        events.append(write_event({**envelope, "choices": [], "usage": document["usage"]}))
    return b"".join((*events, DONE))


def chunks_of(kept: list[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the chunks of a stream's kept bytes; what is cut off or no chunk is left out."""
    try:
        events = EventSplitter().feed(b"".join(kept))
    except InvalidAnswer:
        return
    for raw in events:
        event = parse_event(raw)
        if event is None or event.data.startswith(b"[DONE]"):
            continue
        try:
            yield load_object(event.data)
        except InvalidAnswer:
            continue
