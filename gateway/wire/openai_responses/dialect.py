"""OpenAI Responses as a dialect: the pieces of this folder behind two objects, for new answers and for stored ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import GatewayError
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import Dialect, StreamReader, TextScreen
from gateway.core.segments import Path, Segment
from gateway.core.usage import Usage
from gateway.wire import openai_errors
from gateway.wire.openai_responses import answer, ending, errors, merge
from gateway.wire.openai_responses.request import (
    DIALECT_NAME,
    names_new,
    names_stored,
    parse,
    parse_stored,
    segments,
    upstream_body,
)
from gateway.wire.openai_responses.screened import ScreenedReader
from gateway.wire.openai_responses.stream import PassReader
from gateway.wire.openai_stream import write


class OpenAIResponses:
    """``POST /v1/responses``: see :class:`gateway.core.ports.Dialect` for what each method promises."""

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
        """Bytes for the provider: the client's own where nothing must change."""
        return upstream_body(request, document, model)

    def read_answer(self, document: Any) -> AnswerFacts:
        """Usage, model and status of a whole answer."""
        return answer.read_answer(document)

    def skim(self, body: bytes) -> AnswerFacts:
        """The same from the bytes, without building the rest."""
        return answer.skim(body)

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        """A copy without the log probabilities of edited parts."""
        return answer.strip_repeats(document, paths)

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """A fresh reader for one streamed answer."""
        return PassReader(request) if screen is None else ScreenedReader(request, screen)

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """What the model wrote, to count its tokens."""
        return answer.written_text(merge.assemble(kept) if document is None else document)

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """A streamed answer as the whole one it stands for."""
        return write(merge.assemble(kept))

    def restream(self, document: Any) -> bytes:
        """A whole answer as the events it might have come in."""
        return merge.restream(document)

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's error document."""
        return openai_errors.error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's error event."""
        return errors.error_event(error, exchange_id)

    def stream_block(self, reader: StreamReader) -> bytes:
        """End what was said so far, and the answer as incomplete."""
        return ending.ending(reader)

    def stream_limit(self, reader: StreamReader) -> bytes:
        """End what was said so far, and the answer as incomplete for its length."""
        return ending.ending(reader, "max_output_tokens")


class StoredResponses(OpenAIResponses):
    """``/v1/responses/{id}`` and what is below: answers that were made, and weighed, before."""

    __slots__ = ()

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request; whatever body it has is none of a conversation's."""
        return parse_stored(incoming)

    def read_answer(self, document: Any) -> AnswerFacts:
        """Model and status; nothing was used."""
        return answer.unweighed(answer.read_answer(document))

    def skim(self, body: bytes) -> AnswerFacts:
        """The same from the bytes."""
        return answer.unweighed(answer.skim(body))

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """A fresh reader for a stored answer that is streamed; nothing was used."""
        reader = super().stream_reader(request, screen)
        reader.facts.usage = Usage()
        return reader


DIALECT: Dialect = OpenAIResponses()
STORED: Dialect = StoredResponses()


def dialect_of(path: str) -> Dialect | None:
    """Give the dialect of a path other than those of new answers below ``/v1``; ``None`` when it is no path of ours."""
    if names_stored(path):
        return STORED
    return DIALECT if names_new(path) else None
