"""Events written as a chat stream, each chunk put together from what was encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Refused, Said, Thought
from gateway.wire.openai_chat.chat_pieces import made_id, write_citations, write_finish, write_logprobs
from gateway.wire.openai_chat.chat_usage import write_usage
from gateway.wire.openai_stream import DONE, write

_OPEN = b'","choices":[{"index":'
_CLOSE = b',"logprobs":null,"finish_reason":null}]}\n\n'


class ChatEventWriter:
    """Writes one stream: see :class:`gateway.core.codec.EventWriter`.

    The usage is always written; the dialect's own reader hides it from a client that did not ask.
    """

    __slots__ = ("_custom", "_head", "_heads", "_id", "_lengths", "_refused")

    def __init__(self) -> None:
        self._id = ""
        self._head = b'data: {"object":"chat.completion.chunk'
        # Of each choice that has begun: all that comes before its delta.
        self._heads: dict[int, bytes] = {}
        self._lengths: dict[int, int] = {}
        self._refused: set[int] = set()
        # Calls of tools that take free text.
        self._custom: set[tuple[int, int]] = set()

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
        head = self._heads.get(event.choice) or self._begin(event.choice, out)
        length = self._lengths[event.choice]
        self._lengths[event.choice] = length + len(event.text)
        if event.logprobs is None and not event.citations:
            out.append(b'%b{"content":%b}%b' % (head, orjson.dumps(event.text), _CLOSE))
            return
        delta: dict[str, Any] = {"content": event.text}
        if event.citations:
            # Where in the whole text they belong is counted from its start.
            delta["annotations"] = write_citations(event.citations, length if event.text else 0)
        likely = write(write_logprobs(event.logprobs))
        out.append(b'%b%b,"logprobs":%b,"finish_reason":null}]}\n\n' % (head, write(delta), likely))

    def _other(self, event: ChatEvent, out: list[bytes]) -> None:
        if isinstance(event, Began):
            self._id = event.id
            envelope: dict[str, Any] = {"id": event.id, "created": event.created_s, "model": event.model}
            if event.service_tier:
                envelope["service_tier"] = event.service_tier
            if event.fingerprint:
                envelope["system_fingerprint"] = event.fingerprint
            self._head = b"data: " + write(envelope)[:-1] + b',"object":"chat.completion.chunk'
        elif isinstance(event, Ended):
            if event.usage is not None:
                out.append(b'%b","choices":[],"usage":%b}\n\n' % (self._head, write(write_usage(event.usage))))
            out.append(DONE)
        elif isinstance(event, Finished):
            head = self._heads.get(event.choice) or self._begin(event.choice, out)
            reason = write_finish(event.finish, refused=event.choice in self._refused)
            out.append(b'%b{},"logprobs":null,"finish_reason":"%b"}]}\n\n' % (head, reason.encode()))
        elif (delta := self._delta(event)) is not None:
            head = self._heads.get(event.choice) or self._begin(event.choice, out)
            out.append(b"%b%b%b" % (head, write(delta), _CLOSE))

    def _delta(self, event: ChatEvent) -> dict[str, Any] | None:
        if isinstance(event, Thought):
            # A seal is worth nothing to who speaks this dialect.
            return {"reasoning_content": event.text} if event.text else None
        if isinstance(event, Argued):
            return {"tool_calls": [{"index": event.call, **self._argued(event)}]}
        if isinstance(event, Called):
            return self._called(event)
        if isinstance(event, Refused):
            self._refused.add(event.choice)
            return {"refusal": event.text}
        return None

    def _argued(self, event: Argued) -> dict[str, Any]:
        if (event.choice, event.call) in self._custom:
            return {"custom": {"input": event.arguments}}
        return {"function": {"arguments": event.arguments}}

    def _called(self, event: Called) -> dict[str, Any]:
        identity = event.id or made_id(self._id, event.choice, event.call)
        kind, held = "function", {"name": event.name, "arguments": ""}
        if event.custom:
            self._custom.add((event.choice, event.call))
            kind, held = "custom", {"name": event.name, "input": ""}
        return {"tool_calls": [{"index": event.call, "id": identity, "type": kind, kind: held}]}

    def _begin(self, choice: int, out: list[bytes]) -> bytes:
        head = self._heads[choice] = b'%b%b%d,"delta":' % (self._head, _OPEN, choice)
        self._lengths[choice] = 0
        out.append(b'%b{"role":"assistant","content":""}%b' % (head, _CLOSE))
        return head
