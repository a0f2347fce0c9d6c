"""The dialect of what has none, put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.core.errors import Blocked, BudgetExceeded, GatewayError
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import Dialect, StreamReader, TextScreen
from gateway.core.segments import Path, Segment
from gateway.wire.openai_errors import error_body, error_event
from gateway.wire.passthrough import answer, request, stream, text
from gateway.wire.passthrough.screened import UNNAMED_RULE, ScreenedReader
from gateway.wire.patch import dump, set_model


class PassThrough:
    """``core.ports.Dialect`` for anything."""

    __slots__ = ()

    name: str = "passthrough"

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand as much of a request as can be; see :func:`request.parse`."""
        return request.parse(incoming, document)

    def segments(self, document: Any) -> Iterator[Segment]:
        """Yield every leaf of a request."""
        return text.segments(document)

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Yield every leaf of an answer."""
        return text.segments(document)

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Give the client's own bytes, unless a rule edited them or a model that they name has another name there."""
        renamed = bool(model and request.model and model != request.model)
        if document is not request.document:
            return dump({**document, "model": model} if renamed else document)
        return set_model(request.body, document, model) if renamed else request.body

    def read_answer(self, document: Any) -> AnswerFacts:
        """Read usage, model and status where they stand in OpenAI's documents."""
        return answer.read_answer(document)

    def skim(self, body: bytes) -> AnswerFacts:
        """The same from the bytes; nothing when they are no JSON."""
        try:
            return answer.read_answer(orjson.loads(body))
        except orjson.JSONDecodeError:
            return AnswerFacts()

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        """Leave out every ``logprobs`` once any text was edited: nobody knows which belongs to which."""
        return text.without_logprobs(document) if paths else document

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """Make a reader that passes on at once, or, under response rules, one that holds back to the end."""
        return stream.PassThroughReader() if screen is None else ScreenedReader(screen)

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """Join what a model wrote, as far as names tell."""
        return text.spoken(document) if document is not None else stream.spoken_in(kept)

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """Write a stream as the document that its last event carries, else as the list of its events."""
        return stream.transcript(kept)

    def restream(self, document: Any) -> bytes:
        """Give nothing: nobody knows what such a stream looks like."""
        return b""

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Encode an error as OpenAI does: most clients of unknown paths are its clients."""
        return error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """Encode an error as an event, as OpenAI does."""
        return error_event(error, exchange_id)

    def stream_block(self, reader: StreamReader) -> bytes:
        """Give the error event of a blocked call: no other end is known to every client."""
        rule = reader.rule if isinstance(reader, ScreenedReader) and reader.rule else UNNAMED_RULE
        return error_event(Blocked(rule), "")

    def stream_limit(self, reader: StreamReader) -> bytes:
        """Give the error event of a used-up budget, for the same reason."""
        return error_event(BudgetExceeded("A limit or budget is used up."), "")


DIALECT: Dialect = PassThrough()
