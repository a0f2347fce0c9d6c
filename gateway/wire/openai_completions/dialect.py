"""OpenAI legacy completions as a dialect: the pieces of this folder behind one object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import GatewayError
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import StreamReader, TextScreen
from gateway.core.segments import Path, Segment
from gateway.wire import openai_answer, openai_errors, openai_request, openai_stream
from gateway.wire.openai_completions import answer, request, stream
from gateway.wire.skim import skim


class OpenAICompletions:
    """``POST /v1/completions``: see :class:`gateway.core.ports.Dialect` for what each method promises."""

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
        """Bytes for the provider: the client's own where nothing must change."""
        return openai_request.upstream_body(request, document, model)

    def read_answer(self, document: Any) -> AnswerFacts:
        """Usage, model and finish reason of a whole answer."""
        return openai_answer.read_answer(document)

    def skim(self, body: bytes) -> AnswerFacts:
        """The same from the bytes, without building the rest."""
        return skim(body)

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        """A copy without the ``logprobs`` of edited choices."""
        return openai_answer.strip_repeats(document, paths)

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """A fresh reader for one streamed answer."""
        return openai_stream.PassReader(request) if screen is None else stream.screened_reader(request, screen)

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """What the model wrote, to count its tokens."""
        return answer.written_text(answer.assemble(kept) if document is None else document)

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """A streamed answer as the ``text_completion`` it stands for."""
        return openai_stream.write(answer.assemble(kept))

    def restream(self, document: Any) -> bytes:
        """A ``text_completion`` as the chunks it might have come in."""
        return openai_stream.restream(document, answer.as_piece)

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's error document."""
        return openai_errors.error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's error event; no ``[DONE]`` follows."""
        return openai_errors.error_event(error, exchange_id)

    def stream_block(self, reader: StreamReader) -> bytes:
        """End every open choice with ``content_filter``, then ``[DONE]``."""
        return openai_stream.ending(reader, {"text": "", "logprobs": None})

    def stream_limit(self, reader: StreamReader) -> bytes:
        """End every open choice with ``length``, then ``[DONE]``."""
        return openai_stream.ending(reader, {"text": "", "logprobs": None}, "length")


DIALECT = OpenAICompletions()
