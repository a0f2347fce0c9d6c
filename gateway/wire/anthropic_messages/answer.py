"""Whole messages: every text in them, and what they say about themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from gateway.core.exchange import AnswerFacts
from gateway.core.segments import Segment
from gateway.core.usage import Usage
from gateway.wire.anthropic_messages.blocks import CONTENT, name_tools
from gateway.wire.anthropic_messages.usage import read_usage
from gateway.wire.grammar import Found, constant, fields, figures, leaves, nothing, text
from gateway.wire.shapes import is_object, is_text

_NUMBER = constant()
STOP_REASON = constant(
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded"
)
_USAGE = fields(
    {
        **dict.fromkeys(
            ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"), _NUMBER
        ),
        "cache_creation": figures,
        "output_tokens_details": figures,
        "server_tool_use": fields(dict.fromkeys(("web_search_requests", "web_fetch_requests"), _NUMBER)),
        "service_tier": constant("standard", "priority", "batch"),
        "speed": constant("standard", "fast"),
        "inference_geo": leaves(),
    }
)
ENDING = {
    "stop_reason": STOP_REASON,
    # One of the caller's own.
    "stop_sequence": leaves(),
    "stop_details": fields({"type": constant("refusal"), "category": leaves(), "explanation": text("refusal")}),
    "container": leaves(),
}
MESSAGE = fields(
    {
        "id": nothing,
        "type": constant("message", "error"),
        "role": constant("assistant"),
        "model": nothing,
        "content": CONTENT,
        "usage": _USAGE,
        "request_id": nothing,
        **ENDING,
    }
)
LAST = fields({"type": constant("message_delta"), "delta": fields(ENDING), "usage": _USAGE})
_COUNTED = frozenset({"text", "reasoning", "refusal", "tool_name", "tool_argument"})


def answer_segments(document: Any) -> Iterator[Segment]:
    """Every text of a whole message, in the order in which it stands there."""
    found: Found = []
    MESSAGE((), "assistant", document, found)
    name_tools(document, [document], found)
    return iter(found)


def written_text(document: Any) -> str:
    """What the model wrote, to count its tokens."""
    return "\n".join(segment.text for segment in answer_segments(document) if segment.kind in _COUNTED)


def read_answer(document: Any) -> AnswerFacts:
    """Read usage, model and stop reason; a field of the wrong type counts as absent."""
    if not is_object(document):
        return AnswerFacts()
    model, reason = document.get("model"), document.get("stop_reason")
    return AnswerFacts(
        model_served=model if is_text(model) else "",
        finish_reason=reason if is_text(reason) else "",
        usage=read_usage(document.get("usage")),
    )


_USUAL = (None, "standard")


class _Details(msgspec.Struct, gc=False):
    thinking_tokens: int = 0


class _Kept(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: int | None = None


class _Served(msgspec.Struct, gc=False):
    web_search_requests: int | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _Details | None = None
    cache_creation: _Kept | None = None
    server_tool_use: _Served | None = None
    service_tier: str | None = None


class _Message(msgspec.Struct):
    usage: _Usage
    model: str = ""
    stop_reason: str | None = None


_decode = msgspec.json.Decoder(_Message).decode


def skim(body: bytes) -> AnswerFacts:
    """Read the same from the bytes without building the rest; nothing when they are no JSON."""
    try:
        message = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _tolerant(body)
    usage = message.usage
    if usage.cache_creation is not None and usage.cache_creation.ephemeral_1h_input_tokens:
        return _tolerant(body)
    if usage.server_tool_use is not None or usage.service_tier not in _USUAL:
        return _tolerant(body)
    read, wrote = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details is not None else 0
    if min(usage.input_tokens, read, wrote, thought) < 0 or thought > usage.output_tokens:
        return _tolerant(body)
    counted = Usage(usage.input_tokens, read, wrote, usage.output_tokens - thought, thought)
    return AnswerFacts(model_served=message.model, finish_reason=message.stop_reason or "", usage=counted)


def _tolerant(body: bytes) -> AnswerFacts:
    try:
        return read_answer(orjson.loads(body))
    except orjson.JSONDecodeError:
        return AnswerFacts()
