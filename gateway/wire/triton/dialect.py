"""Triton's generate extension as a dialect: the pieces of this folder behind one object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.core.errors import GatewayError
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import StreamReader, TextScreen
from gateway.core.segments import Path, Segment
from gateway.wire.patch import dump
from gateway.wire.triton import answer, errors, stream
from gateway.wire.triton.request import DIALECT_NAME, parse, segments, upstream_body


class Triton:
    """``…/generate`` and ``…/generate_stream``: see :class:`gateway.core.ports.Dialect` for what each promises."""

    __slots__ = ()

    name: str = DIALECT_NAME

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request whose body was already read strictly."""
        return parse(incoming, document)

    def segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a request."""
        return segments(document)

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a whole answer."""
        return answer.answer_segments(document)

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Bytes for the server; the model's name is in the path."""
        return upstream_body(request, document)

    def read_answer(self, document: Any) -> AnswerFacts:
        """Usage, model and finish reason of a whole answer."""
        return answer.read_answer(document)

    def skim(self, body: bytes) -> AnswerFacts:
        """The same from the bytes; nothing when they are no JSON."""
        try:
            return answer.read_answer(orjson.loads(body))
        except orjson.JSONDecodeError:
            return AnswerFacts()

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        """A copy without the tokens and their probabilities, once a text was edited."""
        return answer.strip_repeats(document, paths)

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """A fresh reader for one streamed answer."""
        return stream.PassReader() if screen is None else stream.ScreenedReader(request, screen)

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """What the model wrote, to count its tokens: nobody else counts them."""
        return "\n".join(answer.texts_of(stream.assemble(kept) if document is None else document))

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """A streamed answer as the whole one it stands for."""
        return dump(stream.assemble(kept))

    def restream(self, document: Any) -> bytes:
        """A whole answer as the one event it might have come in."""
        return b"data: " + dump(document) + b"\n\n"

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Triton's error document."""
        return errors.error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """The error as the last event."""
        return errors.error_event(error, exchange_id)

    def stream_block(self, reader: StreamReader) -> bytes:
        """An error event: the dialect has no other way to end a stream before its time."""
        return b'data: {"error":"Blocked by a policy rule."}\n\n'

    def stream_limit(self, reader: StreamReader) -> bytes:
        """An error event, for the same reason."""
        return b'data: {"error":"A limit or budget is used up."}\n\n'


DIALECT = Triton()
