"""The models dialect, put together. Neither side says anything that a guard or a ledger would want to know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.ports import Dialect
from gateway.core.segments import Segment
from gateway.wire.openai_models import request
from gateway.wire.unstreamed import Unstreamed


class OpenAIModels(Unstreamed):
    """``core.ports.Dialect`` for the list of models."""

    __slots__ = ()

    name: str = "openai_models"

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request; see :func:`request.parse`."""
        return request.parse(incoming)

    def segments(self, document: Any) -> Iterator[Segment]:
        """Give nothing: there is no body."""
        return iter(())

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Give nothing: names of models are not what a model said."""
        return iter(())

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Give nothing: there is no body."""
        return b""

    def read_answer(self, document: Any) -> AnswerFacts:
        """Give nothing: nothing was generated."""
        return AnswerFacts()


DIALECT: Dialect = OpenAIModels()
