"""Gemini as a dialect: the pieces of this folder behind one object for each of the two forms that a stream has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.core.errors import GatewayError
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import StreamReader, TextScreen
from gateway.core.segments import Path, Segment
from gateway.wire.gemini import answer, errors, merge, stream
from gateway.wire.gemini.request import DIALECT_NAME, parse, segments, upstream_body
from gateway.wire.gemini.screen import ScreenedReader


class Gemini:
    """``:generateContent`` and ``:streamGenerateContent``: see :class:`gateway.core.ports.Dialect`.

    Args:
        array: A stream is one JSON array instead of events.
    """

    __slots__ = ("_array",)

    name: str = DIALECT_NAME

    def __init__(self, *, array: bool = False) -> None:
        self._array = array

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
        """Bytes for the provider: the client's own where nothing must change."""
        return upstream_body(request, document, model)

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
        """A copy without the ``logprobsResult`` of edited candidates."""
        return answer.strip_repeats(document, paths)

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """A fresh reader for one streamed answer."""
        reader = stream.PassReader(request) if screen is None else ScreenedReader(request, screen)
        return stream.ArrayReader(reader) if self._array else reader

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """What the model wrote, to count its tokens."""
        return answer.written_text(merge.assemble(kept) if document is None else document)

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """A streamed answer as the whole one it stands for."""
        return orjson.dumps(merge.assemble(kept))

    def restream(self, document: Any) -> bytes:
        """A whole answer as the one event it might have come in."""
        return merge.restream(document)

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Google's error document."""
        return errors.error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """The error as the last event, or as the last member of the array."""
        body = errors.error_body(error, exchange_id)
        return b",\n" + body + b"\n]" if self._array else b"data: " + body + b"\n\n"

    def stream_block(self, reader: StreamReader) -> bytes:
        """End every open candidate with ``SAFETY``."""
        return stream.ending(reader)

    def stream_limit(self, reader: StreamReader) -> bytes:
        """End every open candidate with ``MAX_TOKENS``."""
        return stream.ending(reader, "MAX_TOKENS")


DIALECT = Gemini()
ARRAY = Gemini(array=True)
