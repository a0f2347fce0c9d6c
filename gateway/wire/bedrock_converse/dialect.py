"""Bedrock's Converse as a dialect: the pieces of this folder behind one object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import GatewayError
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import StreamReader, TextScreen
from gateway.core.segments import Path, Segment
from gateway.wire.bedrock_converse import answer, errors, merge, request, stream
from gateway.wire.bedrock_converse.events import write
from gateway.wire.bedrock_converse.request import upstream_body as write_body
from gateway.wire.bedrock_converse.screened import ScreenedReader
from gateway.wire.shapes import is_object


class BedrockConverse:
    """``…/converse`` and ``…/converse-stream``: see :class:`gateway.core.ports.Dialect` for what each promises."""

    name = request.DIALECT_NAME

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request whose body was already read strictly."""
        return request.parse(incoming, document)

    def segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a request."""
        return request.segments(document)

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a whole answer."""
        return answer.answer_segments(document)

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Bytes for the provider; the model's name is in the path."""
        return write_body(request, document)

    def read_answer(self, document: Any) -> AnswerFacts:
        """Usage and stop reason of a whole answer."""
        return answer.read_answer(document)

    def skim(self, body: bytes) -> AnswerFacts:
        """The same from the bytes."""
        return answer.skim(body)

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        """The document itself: nothing in an answer repeats its text."""
        return document

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """A fresh reader for one streamed answer."""
        return stream.PassReader(request) if screen is None else ScreenedReader(request, screen)

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """What the model wrote, to count its tokens."""
        return answer.written_text(merge.assemble(kept) if document is None else document)

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """A streamed answer as the whole one it stands for."""
        return write(merge.assemble(kept))

    def restream(self, document: Any) -> bytes:
        """An answer as the events it might have come in."""
        return merge.restream(document) if is_object(document) else b""

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's error document."""
        return errors.error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's exception frame; no ``messageStop`` follows."""
        return errors.error_frame(error, exchange_id)

    def stream_block(self, reader: StreamReader) -> bytes:
        """End every open block, then the message as one that a guardrail has stopped."""
        return stream.ending(reader)

    def stream_limit(self, reader: StreamReader) -> bytes:
        """End every open block, then the message with ``max_tokens``."""
        return stream.ending(reader, "max_tokens")


DIALECT = BedrockConverse()
