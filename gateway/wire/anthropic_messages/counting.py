"""``POST /v1/messages/count_tokens``: a request as for a message, and a number for an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import GatewayError
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.segments import Segment
from gateway.wire.anthropic_messages import errors, request
from gateway.wire.anthropic_messages.request import upstream_body as write_body
from gateway.wire.grammar import Found, constant, fields
from gateway.wire.unstreamed import Unstreamed

DIALECT_NAME = "anthropic_count_tokens"
_COUNT = fields(
    {"input_tokens": constant(), "context_management": fields({"original_input_tokens": constant()})}
)  # fmt: skip


class AnthropicCountTokens(Unstreamed):
    """``core.ports.Dialect`` for counting; nothing is generated, so nothing is charged."""

    __slots__ = ()

    name: str = DIALECT_NAME

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request whose body was already read strictly."""
        return request.read(incoming, document, dialect=DIALECT_NAME, operation="", path="/messages/count_tokens")

    def segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a request: it says what a message would say."""
        return request.segments(document)

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """The text of unknown fields."""
        found: Found = []
        _COUNT((), "", document, found)
        return iter(found)

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Bytes for the provider: the client's own where nothing must change."""
        return write_body(request, document, model)

    def read_answer(self, document: Any) -> AnswerFacts:
        """Nothing: counted tokens are not used ones."""
        return AnswerFacts()

    def skim(self, body: bytes) -> AnswerFacts:
        """Nothing."""
        return AnswerFacts()

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's error document."""
        return errors.error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's error event."""
        return errors.error_event(error, exchange_id)


COUNTING = AnthropicCountTokens()
