"""What an answer of unknown shape says about itself."""

from __future__ import annotations

from typing import Any

from gateway.core.exchange import AnswerFacts
from gateway.core.usage import set_apart
from gateway.wire.openai_usage import openai_usage
from gateway.wire.shapes import is_array, is_object, is_text

# Anthropic's messages count cached tokens beside the input and spread usage over events. Read as OpenAI's they would
# come out wrong, and a figure that is missing is better than a wrong one.
_OTHER_USAGE = frozenset(("message", "message_start", "message_delta"))


def read_answer(document: Any) -> AnswerFacts:
    """Read usage, model and finish reason where they stand in OpenAI's documents."""
    facts = AnswerFacts()
    if not is_object(document):
        return facts
    if is_text(model := document.get("model")):
        facts.model_served = model
    facts.finish_reason = _finish_reason(document)
    kind = document.get("type")
    if not (is_text(kind) and kind in _OTHER_USAGE):
        facts.usage = set_apart(openai_usage(document.get("usage")), document.get("service_tier"))
    return facts


def _finish_reason(document: dict[str, Any]) -> str:
    choices = document.get("choices")
    first = choices[0] if is_array(choices) and choices else None
    for holder, name in ((document, "finish_reason"), (first, "finish_reason"), (document, "status")):
        if is_object(holder) and is_text(reason := holder.get(name)):
            return reason
    return ""
