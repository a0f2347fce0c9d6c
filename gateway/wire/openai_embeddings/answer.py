"""An embeddings answer: its usage, and what is in it besides vectors."""

from __future__ import annotations

from typing import Any

from gateway.core.exchange import AnswerFacts
from gateway.core.segments import Segment
from gateway.core.usage import set_apart
from gateway.wire.grammar import Found, constant, each, fields, figures, nothing
from gateway.wire.openai_usage import openai_usage
from gateway.wire.shapes import is_object, is_text


def read_answer(document: Any) -> AnswerFacts:
    """Read model and usage; an embedding has no finish reason."""
    facts = AnswerFacts()
    if is_object(document):
        model = document.get("model")
        if is_text(model):
            facts.model_served = model
        facts.usage = set_apart(openai_usage(document.get("usage")), document.get("service_tier"))
    return facts


# Vectors are nearly all of an answer and no text: they are not walked.
_answer = fields(
    {
        "object": constant("list"),
        "model": nothing,
        "data": each(fields({"object": constant("embedding"), "index": constant(), "embedding": nothing})),
        "usage": figures,
    }
)


def answer_segments(document: Any) -> list[Segment]:
    """List the text of fields that no embeddings answer is known to have."""
    found: Found = []
    _answer((), "", document, found)
    return found
