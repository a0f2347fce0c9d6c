"""What dialects share whose answers are never a stream and never generated text, in OpenAI's error shape."""

from __future__ import annotations

from typing import Any

from gateway.core.errors import GatewayError, InvalidAnswer
from gateway.core.exchange import AnswerFacts, Request
from gateway.core.ports import StreamReader, TextScreen
from gateway.core.segments import Path
from gateway.wire.openai_errors import error_body, error_event
from gateway.wire.skim import skim


class Unstreamed:
    """The part of ``core.ports.Dialect`` that is the same for every such dialect."""

    __slots__ = ()

    def skim(self, body: bytes) -> AnswerFacts:
        """Read usage and model from the bytes; arrays of numbers are stepped over."""
        return skim(body)

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        """Give the document itself: nothing in it repeats text."""
        return document

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """Refuse.

        Raises:
            InvalidAnswer: Always.
        """
        raise InvalidAnswer("The provider streamed an answer that cannot be a stream.")

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """Give nothing: no output tokens are made."""
        return ""

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """Give an empty document: there are no streams."""
        return b"{}"

    def restream(self, document: Any) -> bytes:
        """Give nothing: there are no streams."""
        return b""

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Encode an error as OpenAI does."""
        return error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """Encode an error as an event, as OpenAI does."""
        return error_event(error, exchange_id)

    def stream_block(self, reader: StreamReader) -> bytes:
        """Give nothing: there are no streams."""
        return b""

    def stream_limit(self, reader: StreamReader) -> bytes:
        """Give nothing: there are no streams."""
        return b""
