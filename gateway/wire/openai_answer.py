"""What chat and completions answers have in common when they come whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.core.exchange import AnswerFacts
from gateway.core.segments import Path
from gateway.core.usage import set_apart
from gateway.wire.openai_usage import openai_usage
from gateway.wire.shapes import is_array, is_object, is_text


def read_answer(document: Any) -> AnswerFacts:
    """Read usage, model and finish reason; a field of the wrong type counts as absent."""
    if not is_object(document):
        return AnswerFacts()
    model = document.get("model")
    choices = document.get("choices")
    reasons = [choice.get("finish_reason") for choice in choices if is_object(choice)] if is_array(choices) else []
    return AnswerFacts(
        model_served=model if is_text(model) else "",
        finish_reason=joined_reasons(reasons),
        usage=set_apart(openai_usage(document.get("usage")), document.get("service_tier")),
    )


def joined_reasons(reasons: Iterable[Any]) -> str:
    """Join the distinct finish reasons of several choices, in their order."""
    return ",".join(dict.fromkeys(reason for reason in reasons if is_text(reason) and reason))


def strip_repeats(document: Any, paths: set[Path]) -> Any:
    """Return a copy in which edited choices have no ``logprobs``: their tokens spell the text out once more.

    Args:
        document: A whole answer. Not changed.
        paths: Where it was edited.
    """
    choices = document.get("choices") if is_object(document) else None
    edited = {path[1] for path in paths if len(path) > 1 and path[0] == "choices"}
    if not is_array(choices) or not edited:
        return document
    left = [
        {**choice, "logprobs": None} if index in edited and is_object(choice) and choice.get("logprobs") else choice
        for index, choice in enumerate(choices)
    ]
    return {**document, "choices": left}


def says(document: dict[str, Any]) -> bool:
    """Whether a chunk says more than who speaks."""
    choices = document.get("choices")
    return any(_speaks(choice) for choice in choices if is_object(choice)) if is_array(choices) else False


def _speaks(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta")
    if choice.get("finish_reason") or choice.get("text"):
        return True
    return any(value for name, value in delta.items() if name != "role") if is_object(delta) else bool(delta)
