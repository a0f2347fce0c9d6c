"""Whole generate answers, and streams put together as one.

TensorRT-LLM's models report no tokens; the vLLM backend does where the client asks (``return_num_input_tokens``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.exchange import AnswerFacts
from gateway.core.segments import Path, Segment
from gateway.core.usage import Usage
from gateway.wire.grammar import Found, constant, each, fields, nothing, text
from gateway.wire.shapes import is_array, is_object, is_text
from gateway.wire.triton.tensors import first_integer, first_text, numbers

TEXT = "text_output"
# What tells a text again: tokens, and how likely they were.
REPEATS = frozenset({
    "output_log_probs", "cum_log_probs", "context_logits", "generation_logits", "output_ids", "token_ids", "logprobs",
})  # fmt: skip
_REASONS = ("stop", "length", "end_id", "stop_words", "cancelled", "timed_out", "not_finished")
_NUMBERS = (
    "batch_index", "cum_log_probs", "context_logits", "generation_logits", "kv_cache_hit_rate", "num_input_tokens",
    "num_output_tokens", "output_ids", "output_log_probs", "sequence_end", "sequence_id", "sequence_index",
    "sequence_start", "token_ids",
)  # fmt: skip
_ANSWER = fields(
    {
        **dict.fromkeys(_NUMBERS, numbers),
        "id": nothing,
        "model_name": nothing,
        "model_version": nothing,
        "finish_reason": each(constant(*_REASONS)),
        TEXT: each(text("text")),
    }
)


def answer_segments(document: Any) -> Iterator[Segment]:
    """Every text of a whole answer, in the order in which it stands there."""
    found: Found = []
    _ANSWER((), "assistant", document, found)
    return iter(found)


def read_answer(document: Any) -> AnswerFacts:
    """Usage, model and finish reason of a whole answer; fields of the wrong type count as absent."""
    facts = AnswerFacts()
    if not is_object(document):
        return facts
    if is_text(name := document.get("model_name")):
        facts.model_served = name
    facts.finish_reason = first_text(document.get("finish_reason"))
    facts.usage = usage_of(document)
    return facts


def usage_of(document: dict[str, Any]) -> Usage | None:
    """Read token counts; ``None`` when there are none."""
    read, written = (first_integer(document.get(name)) for name in ("num_input_tokens", "num_output_tokens"))
    if read is None or written is None or read < 0 or written < 0:
        return None
    return Usage(input_fresh_tokens=read, output_text_tokens=written)


def texts_of(document: Any) -> list[str]:
    """The texts of an answer, one for each sequence."""
    value = document.get(TEXT) if is_object(document) else None
    if is_text(value):
        return [value]
    return [item if is_text(item) else "" for item in value] if is_array(value) else []


def strip_repeats(document: Any, paths: set[Path]) -> Any:
    """A copy without what tells an edited text again."""
    if not paths or not is_object(document) or REPEATS.isdisjoint(document):
        return document
    return {name: value for name, value in document.items() if name not in REPEATS}
