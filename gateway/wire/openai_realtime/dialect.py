"""The Realtime dialect, put together: its requests are handshakes, its documents are events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.segments import Path, Segment
from gateway.wire.openai_realtime import events, request
from gateway.wire.openai_realtime.usage import realtime_usage
from gateway.wire.shapes import is_object, is_text
from gateway.wire.unstreamed import Unstreamed

_NO_TOOLS: dict[str, str] = {}


class OpenAIRealtime(Unstreamed):
    """``core.ports.Dialect`` for sessions.

    Args:
        tools: By the id of a call in this session, the tool that was called.
    """

    __slots__ = ("_tools",)

    name: str = "openai_realtime"

    def __init__(self, tools: Mapping[str, str] = _NO_TOOLS) -> None:
        self._tools = tools

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a handshake; see :func:`request.parse`."""
        return request.parse(incoming)

    def segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a client's event."""
        return iter(events.client_segments(document, self._tools))

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a server's event."""
        return iter(events.server_segments(document))

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Give nothing: a handshake has no body."""
        return b""

    def read_answer(self, document: Any) -> AnswerFacts:
        """Usage, model and status of a server's event about an answer or a session."""
        facts = AnswerFacts()
        if not is_object(document):
            return facts
        response, session = document.get("response"), document.get("session")
        if is_object(session) and is_text(model := session.get("model")):
            facts.model_served = model
        if is_object(response):
            facts.usage = realtime_usage(response.get("usage"))
            if is_text(status := response.get("status")):
                facts.finish_reason = status
        return facts

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        """Give the document itself: what a session edits is edited event by event."""
        return document


DIALECT = OpenAIRealtime()
