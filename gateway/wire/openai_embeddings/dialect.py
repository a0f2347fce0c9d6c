"""The embeddings dialect, put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import Dialect
from gateway.core.segments import Segment
from gateway.wire.openai_embeddings import answer, request
from gateway.wire.patch import dump, edited, set_model
from gateway.wire.unstreamed import Unstreamed


class OpenAIEmbeddings(Unstreamed):
    """``core.ports.Dialect`` for embeddings."""

    __slots__ = ()

    name: str = "openai_embeddings"

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request; see :func:`request.parse`."""
        return request.parse(incoming, document)

    def segments(self, document: Any) -> Iterator[Segment]:
        """Yield every text to be embedded and whatever else is text."""
        return iter(request.segments(document))

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Yield the text of unknown fields; vectors are not walked."""
        return iter(answer.answer_segments(document))

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Give the client's own bytes, its model renamed if need be; an edited document is written anew."""
        if document is not request.document:
            return dump(edited(document, model=model))
        if not model or model == request.model:
            return request.body
        return set_model(request.body, document, model)

    def read_answer(self, document: Any) -> AnswerFacts:
        """Read model and usage."""
        return answer.read_answer(document)


DIALECT: Dialect = OpenAIEmbeddings()
