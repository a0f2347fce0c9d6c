"""Whole chat answers: every text in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.segments import Segment
from gateway.wire.as_written import as_written
from gateway.wire.grammar import Found, base64_media, constant, each, fields, figures, leaves, nothing, text, url
from gateway.wire.openai_chat.tool_names import name_tools

_NUMBER = constant()
_ROLE = constant("assistant")
_TYPE = constant("text", "refusal", "function", "custom", "url_citation", "thinking", "image_url")

_PARTS = each(
    fields(
        {
            "type": _TYPE,
            "text": text("text"),
            "refusal": text("refusal"),
            "thinking": each(fields({"type": _TYPE, "text": text("reasoning")}, otherwise=text("reasoning"))),
            "image_url": fields({"url": url}, otherwise=url),
        },
        otherwise=text("text"),
    )
)
_CALLED = fields({"name": text("tool_name"), "arguments": text("tool_argument", encoded=True)})
_TOOL_CALL = fields(
    {
        "index": _NUMBER,
        "id": leaves(),
        "type": _TYPE,
        "function": _CALLED,
        "custom": fields({"name": text("tool_name"), "input": text("tool_argument")}),
    }
)
_CITATION = fields({"url": text("url"), "title": text("text"), "start_index": _NUMBER, "end_index": _NUMBER})
_MESSAGE = fields(
    {
        "role": _ROLE,
        "content": _PARTS,
        "refusal": text("refusal"),
        "reasoning_content": text("reasoning"),
        "reasoning": text("reasoning"),
        "tool_calls": each(_TOOL_CALL),
        "function_call": _CALLED,
        "annotations": each(fields({"type": _TYPE, "url_citation": _CITATION})),
        "audio": fields({"id": leaves(), "data": base64_media, "transcript": text("text"), "expires_at": _NUMBER}),
    }
)
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
                    "message": _MESSAGE,
                    "finish_reason": constant("stop", "length", "tool_calls", "content_filter", "function_call"),
                    # Repeats the text token by token; a choice whose text is edited loses it.
                    "logprobs": nothing,
                }
            )
        ),
    }
)
_COUNTED = frozenset({"text", "reasoning", "refusal", "tool_name", "tool_argument"})


def answer_segments(document: Any) -> Iterator[Segment]:
    """Every text of a whole chat answer, in the order in which it stands there."""
    found: Found = []
    _ANSWER((), "assistant", document, found)
    name_tools(document, found)
    return iter(found)


def written_text(document: Any) -> str:
    """What the model wrote, to count its tokens."""
    return "\n".join(as_written(segment) for segment in answer_segments(document) if segment.kind in _COUNTED)
