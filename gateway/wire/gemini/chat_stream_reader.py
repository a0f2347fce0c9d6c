"""A stream read as events that belong to no dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.core.chat import Media, Opaque, Reasoning, Text, ToolCall
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Said, Thought
from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.gemini.answer import block_reason
from gateway.wire.gemini.calls import OpenCall, is_piecewise
from gateway.wire.gemini.chat_pieces import read_call, read_citations, read_finish, read_logprobs, read_part, text_of
from gateway.wire.gemini.errors import stream_failure
from gateway.wire.gemini.parts import is_part
from gateway.wire.gemini.request import DIALECT_NAME
from gateway.wire.gemini.spelling import listed, read
from gateway.wire.gemini.stream import MAX_CANDIDATES, MAX_EVENT_BYTES, candidate_index, load_object
from gateway.wire.gemini.usage import told_usage
from gateway.wire.shapes import is_array, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

MAX_CALLS = 1_024


class _Choice:
    """What is known of one candidate. Pieces of a kind that stand next to each other are one block."""

    __slots__ = ("block", "calls", "finished", "index", "kind", "open", "text")

    def __init__(self, index: int) -> None:
        self.index = index
        self.block = 0
        self.kind = ""
        self.calls = 0
        self.finished = False
        self.open: OpenCall | None = None
        self.text: list[str] = []

    def enter(self, kind: str) -> int:
        """Give the number of the block that a piece belongs to."""
        if self.kind and self.kind != kind:
            self.block += 1
        self.kind = kind
        return self.block


class ChatEventReader:
    """Reads one stream: see :class:`gateway.core.codec.EventReader`."""

    __slots__ = ("_began", "_choices", "_ended", "_splitter", "_usage")

    def __init__(self) -> None:
        self._splitter = EventSplitter(max_event_bytes=MAX_EVENT_BYTES)
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._began = self._ended = False

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes."""
        out: list[ChatEvent] = []
        for raw in self._splitter.feed(data):
            self._event(raw, out)
        return out

    def finish(self) -> Sequence[ChatEvent]:
        """The body has ended."""
        out: list[ChatEvent] = []
        rest = self._splitter.rest()
        if rest.endswith(b"\r\n\r") or (event := parse_event(rest)) is None:
            self._event(rest, out)
        else:
            _raise_error(event.data)
        if not self._choices or not all(choice.finished for choice in self._choices.values()):
            raise StreamBroken("The provider's stream ended before it was whole.")
        if not self._ended:
            self._ended = True
            out.append(Ended(usage=self._usage))
        return out

    def _event(self, raw: bytes, out: list[ChatEvent]) -> None:
        event = parse_event(raw)
        if event is None:
            _raise_error(raw)
            return
        document = load_object(event.data)
        if error := document.get("error"):
            raise _failure(error)
        if not self._began:
            self._began = True
            model = text_of(document, "modelVersion")
            out.append(Began(id=text_of(document, "responseId"), model=model, usage=told_usage(document)))
        self._usage = told_usage(document, self._usage)
        candidates = document.get("candidates")
        for candidate in candidates if is_array(candidates) else ():
            if is_object(candidate):
                self._candidate(candidate, out)
        if not self._choices and block_reason(document):
            self._choices[0] = _Choice(0)
            self._choices[0].finished = True
            out.append(Finished(choice=0, finish="content_filter"))

    def _candidate(self, candidate: dict[str, Any], out: list[ChatEvent]) -> None:
        index = candidate_index(candidate)
        choice = self._choices.get(index)
        if choice is None:
            if len(self._choices) >= MAX_CANDIDATES:
                raise InvalidAnswer(f"The provider's stream has more than {MAX_CANDIDATES} candidates.")
            choice = self._choices[index] = _Choice(index)
        if choice.finished:
            return
        logprobs = read_logprobs(candidate.get("logprobsResult"))
        for part in listed(read(candidate.get("content"), "parts")):
            if is_object(part):
                logprobs = self._part(choice, part, logprobs, out)
        if citations := read_citations(candidate, "".join(choice.text)):
            out.append(Said(choice=index, text="", block=choice.block, citations=citations))
        finish = read_finish(candidate.get("finishReason"), called=choice.calls > 0 or choice.open is not None)
        if finish is not None:
            self._complete(choice, out)
            choice.finished = True
            out.append(Finished(choice=index, finish=finish))

    def _part(self, choice: _Choice, part: dict[str, Any], logprobs: Any, out: list[ChatEvent]) -> Any:
        """Read one part; what is likely goes with the first text of an event."""
        if is_part(part, "functionCall") and self._piece(choice, part, out):
            return logprobs
        text = part.get("text")
        if is_text(text) and text and part.keys() == {"text"}:
            # Nearly every part.
            choice.text.append(text)
            out.append(Said(choice=choice.index, text=text, block=choice.enter("text"), logprobs=logprobs))
            return None
        for piece in read_part(part):
            if isinstance(piece, Text):
                choice.text.append(piece.text)
                block = choice.enter("text")
                out.append(Said(choice=choice.index, text=piece.text, block=block, logprobs=logprobs))
                logprobs = None
            elif isinstance(piece, Reasoning):
                out.append(_thought(choice, piece))
            elif isinstance(piece, ToolCall):
                self._called(choice, piece, out)
            elif isinstance(piece, (Media, Opaque)):
                kind = piece.kind if isinstance(piece, Opaque) else "inlineData"
                held = piece if isinstance(piece, Opaque) else Opaque(dialect=DIALECT_NAME, kind=kind, document=part)
                choice.enter(kind)
                out.append(Foreign(choice=choice.index, piece=held, media="" if piece is held else piece.kind))
        return logprobs

    def _piece(self, choice: _Choice, part: dict[str, Any], out: list[ChatEvent]) -> bool:
        """Take a piece of a call that comes in several; say whether it was one."""
        call = read(part, "functionCall")
        if not is_object(call) or (choice.open is None and not is_piecewise(call)):
            return False
        if choice.open is None:
            rest = {name: value for name, value in part.items() if name not in ("functionCall", "function_call")}
            choice.open = OpenCall(rest, call)
        choice.open.add(call)
        if read(call, "willContinue") is not True:
            self._complete(choice, out)
        return True

    def _complete(self, choice: _Choice, out: list[ChatEvent]) -> None:
        if choice.open is not None:
            whole, choice.open = choice.open.whole(), None
            self._called(choice, read_call(whole["functionCall"], text_of(whole, "thoughtSignature")), out)

    def _called(self, choice: _Choice, call: ToolCall, out: list[ChatEvent]) -> None:
        if choice.calls >= MAX_CALLS:
            raise InvalidAnswer(f"The provider's stream has more than {MAX_CALLS} calls of tools.")
        number, choice.calls = choice.calls, choice.calls + 1
        choice.enter(f"call/{number}")
        out.append(
            Called(
                choice=choice.index,
                call=number,
                id=call.id,
                name=call.name,
                signature=call.signature,
                origin=call.origin,
            )
        )
        out.append(Argued(choice=choice.index, call=number, arguments=call.arguments))


def _thought(choice: _Choice, piece: Reasoning) -> Thought:
    # A seal alone belongs to the text before it, not to a thought.
    block = choice.enter("thought") if piece.text else choice.block
    return Thought(
        choice=choice.index,
        text=piece.text,
        block=block,
        signature=piece.signature,
        summary=piece.summary,
        origin=DIALECT_NAME,
    )


def _raise_error(raw: bytes) -> None:
    """Raise the error that bytes without any framing are, if they are one."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return
    if is_array(document) and document:
        document = document[0]
    error = document.get("error") if is_object(document) else None
    if error:
        raise _failure(error)


def _failure(error: Any) -> StreamFailed:
    failure = stream_failure(error)
    # Its own object is in this dialect, which the client may not speak.
    return StreamFailed(failure.public_message, status=failure.status)
