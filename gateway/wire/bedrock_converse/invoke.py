"""Bedrock's ``invoke`` as a dialect: a body in the model's own form, and streams of it in frames.

What the bodies are is another dialect's to say: :class:`BedrockInvoke` puts one into Bedrock's paths, frames and
errors. Bodies whose form is known are seen as that; what nobody knows is seen leaf by leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gateway.core.errors import Blocked, BudgetExceeded, GatewayError, MalformedRequest
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import Dialect, StreamReader, TextScreen
from gateway.core.segments import Path, Segment
from gateway.wire.aws_eventstream import MEDIA_TYPE
from gateway.wire.bedrock_converse import errors
from gateway.wire.bedrock_converse.invoke_packing import EVENTS, Packing, framed
from gateway.wire.bedrock_converse.invoke_stream import FramedReader
from gateway.wire.bedrock_converse.paths import read
from gateway.wire.patch import dump
from gateway.wire.shapes import is_object

DIALECT_NAME = "bedrock_invoke"


class BedrockInvoke:
    """``…/invoke`` and ``…/invoke-with-response-stream``, with bodies of another dialect.

    See :class:`gateway.core.ports.Dialect` for what each method promises.

    Args:
        inner: The dialect of the bodies.
        parses: It can understand a request, once the model stands in it.
        packing: How its events stand in frames.
        suits: Says whether a document can be an event of that dialect; ``None`` where all of them are.
        otherwise: The dialect of streams that are not.
    """

    name: str = DIALECT_NAME

    def __init__(
        self,
        inner: Dialect,
        *,
        parses: bool,
        packing: Packing = EVENTS,
        suits: Callable[[bytes], bool] | None = None,
        otherwise: Dialect | None = None,
    ) -> None:
        self.inner = inner
        self._parses = parses
        self._packing = packing
        self._suits = suits
        self._otherwise = otherwise or inner

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request whose body was already read strictly."""
        target = read(incoming)
        if not is_object(document):
            raise MalformedRequest("The body must be a JSON object.")
        limit, choices = None, 1
        if self._parses:
            inner = self.inner.parse(incoming, {**document, "model": target.model})
            limit, choices = inner.max_output_tokens, inner.choices
        return Request(
            dialect=self.name,
            operation="chat" if self._parses else "",
            route=target.route,
            upstream_path=target.upstream(incoming.query),
            model_in_path=True,
            document=document,
            body=incoming.body,
            model=target.model,
            stream=target.stream,
            stream_type=MEDIA_TYPE if target.stream else b"",
            wants_usage=True,
            choices=choices,
            max_output_tokens=limit,
        )

    def segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a request."""
        return self.inner.segments(document)

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a whole answer."""
        return self.inner.answer_segments(document)

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Bytes for the provider; the model's name is in the path."""
        return request.body if document is request.document else dump(document)

    def read_answer(self, document: Any) -> AnswerFacts:
        """Usage and stop reason of a whole answer."""
        return self.inner.read_answer(document)

    def skim(self, body: bytes) -> AnswerFacts:
        """The same from the bytes."""
        return self.inner.skim(body)

    def strip_repeats(self, document: Any, paths: set[Path]) -> Any:
        """A copy without what repeats edited text."""
        return self.inner.strip_repeats(document, paths)

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """A fresh reader for one streamed answer."""
        inner, suits = self.inner.stream_reader(request, screen), self._suits
        if suits is None:
            return FramedReader(inner, self._packing)

        def other(said: bytes) -> StreamReader | None:
            return None if suits(said) else self._otherwise.stream_reader(request, screen)

        return FramedReader(inner, self._packing, other)

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """What the model wrote, to count its tokens."""
        return self._of(kept).answer_text(document, kept)

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """A streamed answer as the whole one it stands for."""
        return self._of(kept).stream_transcript(kept)

    def restream(self, document: Any) -> bytes:
        """A whole answer as the events it might have come in."""
        return framed(self.inner.restream(document), self._packing)

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Amazon's error document."""
        return errors.error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """Amazon's exception frame."""
        return errors.error_frame(error, exchange_id)

    def stream_block(self, reader: StreamReader) -> bytes:
        """End the stream as the dialect of the bodies does, or, where nobody knows how, with an exception."""
        if not self._knows(reader):
            rule: str = getattr(getattr(reader, "inner", None), "rule", "") or "unnamed"
            return errors.error_frame(Blocked(rule), "")
        inner = reader.inner if isinstance(reader, FramedReader) else reader
        return framed(self.inner.stream_block(inner), self._packing)

    def stream_limit(self, reader: StreamReader) -> bytes:
        """The same for a stream that has reached its length."""
        if not self._knows(reader):
            return errors.error_frame(BudgetExceeded("A limit or budget is used up."), "")
        inner = reader.inner if isinstance(reader, FramedReader) else reader
        return framed(self.inner.stream_limit(inner), self._packing)

    def _knows(self, reader: StreamReader) -> bool:
        return self._parses and (reader.known if isinstance(reader, FramedReader) else True)

    def _of(self, kept: list[bytes]) -> Dialect:
        """The dialect of a stream that was kept."""
        if self._suits is None or not kept or self._suits(self._packing.first(kept)):
            return self.inner
        return self._otherwise
