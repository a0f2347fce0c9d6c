"""Streams of generate answers: each event is an answer with a piece of the text.

There is no end marker: the end of the body is the end, and a body that is cut short is found out by HTTP. A model that
is asked to accumulate (``accumulate_tokens``) says its whole text again in each event; what is new in it is screened,
and what was released so far is said again.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import GatewayError, InvalidAnswer, StreamBroken
from gateway.core.exchange import AnswerFacts, Request
from gateway.core.ports import StreamMark, TextScreen
from gateway.core.segments import Path, replace_leaves
from gateway.core.usage import Usage
from gateway.wire.openai_screen import Channels, Home
from gateway.wire.shapes import is_array, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event
from gateway.wire.triton.answer import REPEATS, TEXT, answer_segments, read_answer, texts_of
from gateway.wire.triton.errors import stream_failure

KEPT_BYTES = 262_144
# An event may hold the logits of a whole vocabulary.
MAX_EVENT_BYTES = 33_554_432
MAX_SEQUENCES = 1_024
_HOME = Home((TEXT,), {})
_ENVELOPE = ("id", "model_name", "model_version")


class PassReader:
    """Passes a stream on, event by event, and reads its facts on the way.

    Attributes:
        facts, done, kept: See :class:`gateway.core.ports.StreamReader`. ``done`` stays false: there is no end marker.
        envelope: What identifies the answer, of the event parsed last.
    """

    __slots__ = ("_failure", "_room", "_splitter", "_written", "done", "envelope", "facts", "kept")

    def __init__(self) -> None:
        self.facts = AnswerFacts()
        self.done = False
        self.kept: list[bytes] = []
        self.envelope: dict[str, Any] = {}
        self._splitter = EventSplitter(max_event_bytes=MAX_EVENT_BYTES)
        self._room = KEPT_BYTES
        # Tokens that the events so far reported as theirs.
        self._written = 0
        self._failure: GatewayError | None = None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        if self._failure is not None:
            return b""
        try:
            events = self._splitter.feed(data)
        except GatewayError as error:
            raise self._failed(error, []) from None
        return self._take(events)

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        if self._failure is not None:
            # What it released was given away when it was raised first.
            self._failure.released = b""
            raise self._failure
        rest = self._splitter.rest()
        last = self._take([rest]) if rest.strip() else b""
        if not self.facts.chunks:
            raise self._failed(StreamBroken("The server's stream ended before it began."), [])
        try:
            flushed = self._flush()
        except GatewayError as error:
            raise self._failed(error, [last]) from None
        self._keep(flushed)
        return last + flushed

    def mark(self) -> StreamMark:
        """Return this moment: see :meth:`gateway.core.ports.StreamReader.mark`."""
        return 0, len(self.kept)

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        del self.kept[mark[1] :]
        self._room = -1

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        self._failure = None
        self._splitter.rest()

    def _take(self, events: list[bytes]) -> bytes:
        out: list[bytes] = []
        try:
            for event in events:
                shown = self._event(event)
                self._keep(shown)
                out.append(shown)
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
            return raw if raw.startswith(b":") else self._bare(raw)
        document = _load(event.data)
        if document.get("error") is not None:
            raise stream_failure(document["error"])
        self.facts.chunks += 1
        self._read(document)
        return self._chunk(raw, document)

    def _bare(self, raw: bytes) -> bytes:
        """Take what is no event: an error that came without framing, or nothing that we know."""
        document = _load(raw)
        if document.get("error") is not None:
            raise stream_failure(document["error"])
        raise InvalidAnswer("The server sent bytes that are no event.")

    def _read(self, document: dict[str, Any]) -> None:
        self.envelope = {name: document[name] for name in _ENVELOPE if name in document}
        told, facts = read_answer(document), self.facts
        facts.model_served = told.model_served or facts.model_served
        facts.finish_reason = told.finish_reason or facts.finish_reason
        if told.usage is not None:
            # Each event counts what is new in it; the input is told again each time.
            self._written += told.usage.output_text_tokens
            facts.usage = Usage(
                input_fresh_tokens=told.usage.input_fresh_tokens, output_text_tokens=self._written
            )  # fmt: skip

    def _keep(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self.kept.append(data)
        else:
            self._room = -1

    def _chunk(self, raw: bytes, document: dict[str, Any]) -> bytes:
        """Say what the client gets of an event."""
        return raw

    def _flush(self) -> bytes:
        """Give what is still held back."""
        return b""


class ScreenedReader(PassReader):
    """Releases what the screen releases."""

    __slots__ = ("_accumulates", "_channels", "_released", "_said", "_sequences")

    def __init__(self, request: Request, screen: TextScreen) -> None:
        super().__init__()
        self._channels = Channels(screen)
        self._accumulates = accumulates(request.document)
        # By sequence, where a model accumulates: what it has said, and what of it was released.
        self._said: dict[int, str] = {}
        self._released: dict[int, str] = {}
        # How many texts an event has; 0 where it has one that is no array.
        self._sequences = 0

    def _chunk(self, raw: bytes, document: dict[str, Any]) -> bytes:
        value = document.get(TEXT)
        texts = texts_of(document)
        if len(texts) > MAX_SEQUENCES:
            raise InvalidAnswer(f"The server's stream has more than {MAX_SEQUENCES} texts side by side.")
        self._sequences = len(texts) if is_array(value) else 0
        shown = [self._text(index, text) for index, text in enumerate(texts)]
        left = self._others(document)
        if shown == texts and left is document and not self._channels.touched:
            return raw
        kept = {name: item for name, item in left.items() if name not in REPEATS} if self._channels.touched else left
        if texts and not any(shown) and not kept.keys() - {*_ENVELOPE, TEXT}:
            return b""
        if shown != texts:
            kept = {**kept, TEXT: shown if is_array(value) else shown[0]}
        return b"data: " + orjson.dumps(kept) + b"\n\n"

    def _text(self, index: int, text: str) -> str:
        if not self._accumulates:
            return self._channels.feed((index, "text"), text, _HOME) if text else text
        said = self._said.get(index, "")
        if not text.startswith(said):
            raise InvalidAnswer("The server took back what it had said.")
        self._said[index] = text
        new = text[len(said) :]
        released = self._channels.feed((index, "text"), new, _HOME) if new else ""
        self._released[index] = self._released.get(index, "") + released
        return self._released[index]

    def _others(self, document: dict[str, Any]) -> dict[str, Any]:
        """Screen every other text of an event; the same object when nothing was edited."""
        others = {name: value for name, value in document.items() if name != TEXT or not _is_said(value)}
        edits: dict[Path, Any] = {}
        for segment in answer_segments(others):
            released = self._channels.once((0, "leaf"), segment.text)
            if released != segment.text:
                edits[segment.path] = segment.revised(released)
        return replace_leaves(document, edits) if edits else document

    def _flush(self) -> bytes:
        rests = [""] * max(1, self._sequences)
        for index in range(len(rests)):
            rests[index] = "".join([rest for _, rest in self._channels.finish(index)])
        if not any(rests):
            return b""
        if self._accumulates:
            rests = [self._released.get(index, "") + rest for index, rest in enumerate(rests)]
        event = {**self.envelope, TEXT: rests if self._sequences else rests[0]}
        return b"data: " + orjson.dumps(event) + b"\n\n"


def accumulates(document: Any) -> bool:
    """Say whether a request asks for the whole text again in each event."""
    value = document.get("accumulate_tokens") if is_object(document) else None
    while is_array(value) and value:
        value = value[0]
    return value is True


def assemble(kept: list[bytes], *, accumulated: bool = False) -> dict[str, Any]:
    """Put the kept bytes of a stream together as the whole answer they stand for; a cut-off tail is left out."""
    whole: dict[str, Any] = {}
    texts: list[str] = []
    many = False
    data = b"".join(kept)
    for raw in EventSplitter(max_event_bytes=max(1, len(data))).feed(data):
        event = parse_event(raw)
        try:
            document = orjson.loads(event.data) if event is not None else None
        except orjson.JSONDecodeError:
            continue
        if not is_object(document):
            continue
        whole = {**whole, **document}
        many = many or is_array(document.get(TEXT))
        for index, text in enumerate(texts_of(document)):
            if index == len(texts):
                texts.append("")
            texts[index] = text if accumulated else texts[index] + text
    if texts:
        whole[TEXT] = texts if many else texts[0]
    return whole


def _is_said(value: Any) -> bool:
    return is_text(value) or (is_array(value) and all(is_text(item) for item in value))


def _load(data: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        document = None
    if not is_object(document):
        raise InvalidAnswer("The server sent an event that is no JSON object.")
    return document
