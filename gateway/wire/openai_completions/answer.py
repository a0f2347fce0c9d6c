"""Whole completions answers, and streams put together as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.segments import Segment
from gateway.wire.grammar import Found, constant, each, fields, figures, nothing, text
from gateway.wire.openai_stream import choice_index, chunks_of, envelope_of
from gateway.wire.shapes import is_array, is_object, is_text

_NUMBER = constant()
_ANSWER = fields(
    {
        "id": nothing,
        "object": nothing,
        "created": nothing,
        "model": nothing,
        "system_fingerprint": nothing,
        "service_tier": nothing,
        "usage": figures,
        "choices": each(
            fields(
                {
                    "index": _NUMBER,
                    "text": text("text"),
                    "reasoning": text("reasoning"),
                    "finish_reason": constant("stop", "length", "content_filter"),
                    # Repeats the text token by token; a choice whose text is edited loses it.
                    "logprobs": nothing,
                }
            )
        ),
    }
)


def answer_segments(document: Any) -> Iterator[Segment]:
    """Every text of a whole answer, in the order in which it stands there."""
    found: Found = []
    _ANSWER((), "assistant", document, found)
    return iter(found)


def written_text(document: Any) -> str:
    """What the model wrote, to count its tokens."""
    return "\n".join(segment.text for segment in answer_segments(document) if segment.kind in {"text", "reasoning"})


def assemble(kept: list[bytes]) -> dict[str, Any]:
    """Put the kept bytes of a stream together as the whole answer they stand for; a cut-off tail is left out."""
    answer: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    texts: dict[int, list[str]] = {}
    reasons: dict[int, Any] = {}
    for chunk in chunks_of(kept):
        usage = chunk.get("usage") or usage
        answer = answer or envelope_of(chunk)
        choices = chunk.get("choices")
        for choice in choices if is_array(choices) else ():
            if not is_object(choice):
                continue
            index = choice_index(choice)
            pieces = texts.setdefault(index, [])
            if is_text(piece := choice.get("text")):
                pieces.append(piece)
            reasons[index] = choice.get("finish_reason") or reasons.get(index)
    answer["choices"] = [
        {"index": index, "text": "".join(texts[index]), "logprobs": None, "finish_reason": reasons[index]}
        for index in sorted(texts)
    ]
    return {**answer, "usage": usage} if usage else answer


def as_piece(choice: dict[str, Any]) -> dict[str, Any]:
    """What a chunk holds of a whole choice."""
    text = choice.get("text")
    return {"text": text if is_text(text) else ""}
