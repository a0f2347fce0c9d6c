"""Bedrock's ``invoke`` as a dialect: a body in the model's own form, and streams of it in frames.

What the bodies are is another dialect's to say: :class:`BedrockInvoke` puts one into Bedrock's paths, frames and
errors. Messages of Anthropic's models are seen as such; what nobody knows is seen leaf by leaf.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import Blocked, GatewayError, MalformedRequest
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import Dialect, StreamReader, TextScreen
from gateway.core.segments import Path, Segment
from gateway.wire.aws_eventstream import MEDIA_TYPE
from gateway.wire.bedrock_converse import errors
from gateway.wire.bedrock_converse.invoke_stream import FramedReader, framed
from gateway.wire.bedrock_converse.paths import read
from gateway.wire.patch import dump
from gateway.wire.shapes import is_object, is_text

DIALECT_NAME = "bedrock_invoke"
_MESSAGES = "bedrock-"


class BedrockInvoke:
    """``…/invoke`` and ``…/invoke-with-response-stream``, with bodies of another dialect.

    See :class:`gateway.core.ports.Dialect` for what each method promises.

    Args:
        inner: The dialect of the bodies.
        parses: It can understand a request, once the model stands in it.
    """

    name: str = DIALECT_NAME

    def __init__(self, inner: Dialect, *, parses: bool) -> None:
        self.inner = inner
        self._parses = parses

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request whose body was already read strictly."""
        target = read(incoming)
        if not is_object(document):
            raise MalformedRequest("The body must be a JSON object.")
        limit = None
        if self._parses:
            limit = self.inner.parse(incoming, {**document, "model": target.model}).max_output_tokens
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
        return FramedReader(self.inner.stream_reader(request, screen))

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """What the model wrote, to count its tokens."""
        return self.inner.answer_text(document, kept)

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """A streamed answer as the whole one it stands for."""
        return self.inner.stream_transcript(kept)

    def restream(self, document: Any) -> bytes:
        """A whole answer as the events it might have come in."""
        return framed(self.inner.restream(document))

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Amazon's error document."""
        return errors.error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """Amazon's exception frame."""
        return errors.error_frame(error, exchange_id)

    def stream_block(self, reader: StreamReader) -> bytes:
        """End the stream as the dialect of the bodies does, or, where nobody knows how, with an exception."""
        if not self._parses:
            rule: str = getattr(getattr(reader, "inner", None), "rule", "") or "unnamed"
            return errors.error_frame(Blocked(rule), "")
        return framed(self.inner.stream_block(reader.inner if isinstance(reader, FramedReader) else reader))


def holds_messages(document: Any) -> bool:
    """Say whether a body is one for Anthropic's models."""
    version = document.get("anthropic_version") if is_object(document) else None
    return is_text(version) and version.startswith(_MESSAGES) and "messages" in document
