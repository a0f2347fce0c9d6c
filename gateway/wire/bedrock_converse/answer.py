"""Whole answers: every text in them, and what they say about themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.core.exchange import AnswerFacts
from gateway.core.segments import Path, Segment
from gateway.wire.bedrock_converse.blocks import MESSAGE, name_tools
from gateway.wire.bedrock_converse.usage import read_usage
from gateway.wire.grammar import Found, constant, each, fields, leaves, nothing
from gateway.wire.shapes import is_object, is_text

_NUMBER = constant()
STOP_REASON = constant(
    "end_turn", "tool_use", "max_tokens", "stop_sequence", "guardrail_intervened", "content_filtered",
    "malformed_model_output", "malformed_tool_use", "model_context_window_exceeded",
)  # fmt: skip
_USAGE = fields(
    {
        **dict.fromkeys(
            (
                "inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens",
                "cacheReadInputTokenCount", "cacheWriteInputTokenCount",
            ),
            _NUMBER,
        ),
        "cacheDetails": each(fields({"ttl": constant("5m", "1h"), "inputTokens": _NUMBER})),
        "serverToolUsage": fields({}),
    }
)  # fmt: skip
# Letters that make frames of one length, so that nobody on the way can tell words by it.
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def is_padding(value: Any) -> bool:
    """Say whether the filling of a frame is just that."""
    return is_text(value) and _ALPHABET.startswith(value)


def _padding(path: Path, role: str, value: Any, found: Found) -> None:
    (nothing if is_padding(value) else leaves())(path, role, value, found)


# What stands beside the words, whole or in the last events of a stream.
ENDING = {
    "stopReason": STOP_REASON,
    "additionalModelResponseFields": leaves(),
    "usage": _USAGE,
    "metrics": fields({"latencyMs": _NUMBER}),
    # A guardrail's findings quote what was found.
    "trace": leaves(),
    "performanceConfig": fields({"latency": constant("standard", "optimized")}),
    "serviceTier": fields({"type": constant("priority", "default", "flex", "reserved")}),
    "p": _padding,
}
ANSWER = fields({"output": fields({"message": MESSAGE}), **ENDING})
_COUNTED = frozenset({"text", "reasoning", "tool_name", "tool_argument"})


def message_of(document: Any) -> dict[str, Any]:
    """The message of an answer; an empty one when there is none."""
    output = document.get("output") if is_object(document) else None
    message = output.get("message") if is_object(output) else None
    return message if is_object(message) else {}


def answer_segments(document: Any) -> Iterator[Segment]:
    """Every text of a whole answer, in the order in which it stands there."""
    found: Found = []
    ANSWER((), "assistant", document, found)
    name_tools(document, [message_of(document)], found)
    return iter(found)


def written_text(document: Any) -> str:
    """What the model wrote, to count its tokens."""
    return "\n".join(segment.text for segment in answer_segments(document) if segment.kind in _COUNTED)


def read_answer(document: Any) -> AnswerFacts:
    """Read usage, stop reason and, where a router chose it, the model; a field of the wrong type counts as absent."""
    if not is_object(document):
        return AnswerFacts()
    reason = document.get("stopReason")
    return AnswerFacts(
        model_served=routed_model(document.get("trace")),
        finish_reason=reason if is_text(reason) else "",
        usage=read_usage(document.get("usage"), document.get("serviceTier")),
    )


def routed_model(trace: Any) -> str:
    """The model that a prompt router chose; empty where none did."""
    router = trace.get("promptRouter") if is_object(trace) else None
    model = router.get("invokedModelId") if is_object(router) else None
    return model if is_text(model) else ""


def skim(body: bytes) -> AnswerFacts:
    """Read the same from the bytes; nothing when they are no JSON."""
    try:
        return read_answer(orjson.loads(body))
    except orjson.JSONDecodeError:
        return AnswerFacts()
