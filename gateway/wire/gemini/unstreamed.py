"""What is never a stream: counting tokens, and making vectors (by ``predict``, too, as one of the services does)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.core.errors import GatewayError
from gateway.core.exchange import AnswerFacts, Incoming, Request
from gateway.core.segments import Segment
from gateway.core.usage import Usage
from gateway.wire.gemini import errors
from gateway.wire.gemini.answer import USAGE
from gateway.wire.gemini.parts import CONTENT_OF_USER, NUMBER
from gateway.wire.gemini.request import GENERATES, body_object, read_target, upstream_body
from gateway.wire.gemini.spelling import either, listed, read
from gateway.wire.gemini.usage import gemini_usage
from gateway.wire.grammar import Found, Rule, constant, each, fields, leaves, nothing, text
from gateway.wire.shapes import is_integer, is_object
from gateway.wire.unstreamed import Unstreamed

_TASK = constant(
    "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING",
    "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY",
)  # fmt: skip
_WORDS = text("text")
_COUNT = fields(either({**GENERATES, "generateContentRequest": fields(either(GENERATES)), "instances": _WORDS}))
_SETTINGS = {"taskType": _TASK, "title": _WORDS, "outputDimensionality": NUMBER, "autoTruncate": NUMBER}
_EMBEDS = {"model": nothing, "content": CONTENT_OF_USER, **_SETTINGS, "embedContentConfig": fields(either(_SETTINGS))}
_INSTANCES = each(fields(either({"content": _WORDS, "title": _WORDS, "taskType": _TASK}), otherwise=_WORDS))
_EMBED = fields(
    either({**_EMBEDS, "requests": each(fields(either(_EMBEDS))), "instances": _INSTANCES, "parameters": leaves()})
)
_STATISTICS = fields({"truncated": NUMBER, "token_count": NUMBER, "tokenCount": NUMBER})
_VECTOR = fields({"values": nothing, "shape": NUMBER, "statistics": _STATISTICS})
_VECTORS = fields(
    either(
        {
            "embedding": _VECTOR,
            "embeddings": each(_VECTOR),
            "predictions": each(fields({"embeddings": _VECTOR})),
            "usageMetadata": USAGE,
            "metadata": fields({"billableCharacterCount": NUMBER}),
            "deployedModelId": nothing,
            "model": nothing,
            "modelDisplayName": nothing,
            "modelVersionId": nothing,
            "truncated": NUMBER,
        }
    )
)


class Plain(Unstreamed):
    """A method that takes a document and gives one.

    Args:
        name: Of the dialect.
        operation: OpenTelemetry's name.
        request: Where the texts of a request stand.
        answer: Where those of an answer do.
    """

    __slots__ = ("_answer", "_operation", "_request", "name")

    def __init__(self, name: str, operation: str, request: Rule, answer: Rule) -> None:
        self.name = name
        self._operation = operation
        self._request = request
        self._answer = answer

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request; what it must have beside the model, the provider knows best."""
        return read_target(incoming, body_object(document), dialect=self.name, operation=self._operation)

    def segments(self, document: Any) -> Iterator[Segment]:
        """Yield every text of a request."""
        return self._found(self._request, "user", document)

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Yield the text of fields that no such answer is known to have; vectors are not walked."""
        return self._found(self._answer, "assistant", document)

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Give the client's own bytes where nothing must change."""
        return upstream_body(request, document, model)

    def read_answer(self, document: Any) -> AnswerFacts:
        """Read what making vectors took. What a count says is an answer and not what it cost."""
        facts = AnswerFacts()
        if is_object(document) and self._operation:
            facts.usage = gemini_usage(document.get("usageMetadata")) or _predicted(document)
        return facts

    def skim(self, body: bytes) -> AnswerFacts:
        """The same from the bytes."""
        try:
            return self.read_answer(orjson.loads(body))
        except orjson.JSONDecodeError:
            return AnswerFacts()

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Encode an error as Google does."""
        return errors.error_body(error, exchange_id)

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """Encode an error as an event."""
        return b"data: " + errors.error_body(error, exchange_id) + b"\n\n"

    def _found(self, rule: Rule, role: str, document: Any) -> Iterator[Segment]:
        found: Found = []
        rule((), role, document, found)
        return iter(found)


def _predicted(document: dict[str, Any]) -> Usage | None:
    """What each vector of a prediction took, added up."""
    counts = [
        read(read(read(each, "embeddings"), "statistics"), "tokenCount") for each in listed(document.get("predictions"))
    ]
    numbers = [count for count in counts if is_integer(count) and count >= 0]
    return Usage(input_fresh_tokens=sum(numbers)) if numbers else None


COUNT = Plain("gemini_tokens", "", _COUNT, USAGE)
EMBED = Plain("gemini_embeddings", "embeddings", _EMBED, _VECTORS)
