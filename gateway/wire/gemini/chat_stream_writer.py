"""Events written as a stream of this dialect. A call leaves when it is whole; the ends of all candidates leave last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.core.chat import ChatRequest, ToolCall
from gateway.core.chat_events import (
    Argued,
    Began,
    Called,
    ChatEvent,
    Ended,
    Finished,
    Foreign,
    Refused,
    Said,
    Thought,
)
from gateway.core.errors import InvalidAnswer
from gateway.wire.gemini.chat_answer import answered_call, shows_thoughts
from gateway.wire.gemini.chat_pieces import write_citations, write_finish, write_logprobs
from gateway.wire.gemini.request import DIALECT_NAME
from gateway.wire.gemini.stream import write_event
from gateway.wire.gemini.usage import as_metadata

MAX_CALL_CHARS = 1_048_576


class _Call:
    """A call that is not whole yet."""

    __slots__ = ("begun", "number", "pieces", "size")

    def __init__(self, begun: Called) -> None:
        self.begun = begun
        self.number = begun.call
        self.pieces: list[str] = []
        self.size = 0

    def add(self, arguments: str) -> None:
        """Take more of its arguments."""
        self.size += len(arguments)
        if self.size > MAX_CALL_CHARS:
            raise InvalidAnswer(f"The provider sent a call larger than {MAX_CALL_CHARS} characters.")
        self.pieces.append(arguments)

    def part(self) -> dict[str, Any]:
        """The part that it is."""
        begun = self.begun
        call = ToolCall(
            id=begun.id,
            name=begun.name,
            arguments="".join(self.pieces),
            custom=begun.custom,
            signature=begun.signature,
            origin=begun.origin,
        )
        return answered_call(call)


class ChatEventWriter:
    """Writes one stream: see :class:`gateway.core.codec.EventWriter`.

    Args:
        chat: What was asked: whether thoughts are to be shown.
    """

    __slots__ = ("_calls", "_ends", "_envelope", "_lengths", "_tail", "_thoughts")

    def __init__(self, chat: ChatRequest) -> None:
        self._thoughts = shows_thoughts(chat)
        self._envelope: dict[str, Any] = {}
        self._tail = b"}\n\n"
        # By choice, the calls that are not whole, by number: they may come side by side.
        self._calls: dict[int, dict[int, _Call]] = {}
        self._lengths: dict[int, int] = {}
        self._ends: list[dict[str, Any]] = []

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Write events."""
        out: list[bytes] = []
        for event in events:
            if event.__class__ is Said:
                self._said(event, out)
            else:
                self._other(event, out)
        return b"".join(out)

    def _said(self, event: Any, out: list[bytes]) -> None:
        start = self._lengths.get(event.choice, 0)
        self._lengths[event.choice] = start + len(event.text)
        if event.logprobs is None and not event.citations:
            if event.text:
                out.append(
                    b'data: {"candidates":[{"content":{"parts":[{"text":%b}],"role":"model"},"index":%d}]%b'
                    % (orjson.dumps(event.text), event.choice, self._tail)
                )
            return
        beside: dict[str, Any] = {}
        if event.citations:
            # Where in the whole text they belong is counted from its start.
            beside["citationMetadata"] = {"citations": write_citations(event.citations, start if event.text else 0)}
        if event.logprobs is not None:
            beside["logprobsResult"] = write_logprobs(event.logprobs)
        out.append(self._piece(event.choice, {"text": event.text}, beside))

    def _other(self, event: ChatEvent, out: list[bytes]) -> None:
        if isinstance(event, Began):
            self._envelope = {"modelVersion": event.model, **({"responseId": event.id} if event.id else {})}
            self._tail = b"," + orjson.dumps(self._envelope)[1:] + b"\n\n"
        elif isinstance(event, Called):
            self._calls.setdefault(event.choice, {})[event.call] = _Call(event)
        elif isinstance(event, Argued):
            known = self._calls.get(event.choice, {}).get(event.call)
            if known is not None:
                known.add(event.arguments)
        elif isinstance(event, Finished):
            self._finished(event)
        elif isinstance(event, Ended):
            out.append(self._last(event))
        elif (part := self._part(event)) is not None:
            out.append(self._piece(event.choice, part, {}))

    def _part(self, event: ChatEvent) -> dict[str, Any] | None:
        if isinstance(event, Thought):
            sealed = {"thoughtSignature": event.signature} if event.signature and event.origin == DIALECT_NAME else {}
            if event.text and self._thoughts:
                return {"text": event.text, "thought": True, **sealed}
            return {"text": "", **sealed} if sealed else None
        if isinstance(event, Refused):
            return {"text": event.text} if event.text else None
        if isinstance(event, Foreign) and event.piece.dialect == DIALECT_NAME:
            return event.piece.document
        return None

    def _piece(self, choice: int, part: dict[str, Any], beside: dict[str, Any]) -> bytes:
        candidate = {"content": {"parts": [part], "role": "model"}, "index": choice, **beside}
        return write_event({"candidates": [candidate], **self._envelope})

    def _finished(self, event: Finished) -> None:
        calls = self._calls.pop(event.choice, {})
        parts = [calls[number].part() for number in sorted(calls)]
        content = {"content": {"parts": parts, "role": "model"}} if parts else {}
        self._ends.append({**content, "finishReason": write_finish(event.finish), "index": event.choice})

    def _last(self, event: Ended) -> bytes:
        usage = {"usageMetadata": as_metadata(event.usage)} if event.usage is not None else {}
        return write_event({"candidates": self._ends, **usage, **self._envelope})
