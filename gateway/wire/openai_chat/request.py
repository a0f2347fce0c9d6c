"""Chat requests: what we read of them, and every text in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Incoming, Request
from gateway.core.segments import Path, Segment
from gateway.wire.grammar import (
    Found,
    Rule,
    base64_media,
    constant,
    each,
    fields,
    leaves,
    nothing,
    said_by,
    schema,
    text,
    url,
)
from gateway.wire.openai_chat.tool_names import name_tools
from gateway.wire.openai_request import body_object, read_request
from gateway.wire.shapes import is_array, is_object, is_text

DIALECT_NAME = "openai_chat"

_NUMBER = constant()
_TYPE = constant(
    "text", "image_url", "input_audio", "file", "refusal", "function", "custom", "json_schema", "json_object",
    "content", "approximate", "ephemeral", "allowed_tools", "grammar", "thinking", "video_url",
)  # fmt: skip
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_ROLE = constant(*_ROLES)
_LINK = fields({"url": url, "detail": constant("auto", "low", "high"), "format": constant()}, otherwise=url)


def _content(kind_of_text: Rule) -> Rule:
    parts = fields(
        {
            "type": _TYPE,
            "text": kind_of_text,
            "refusal": text("refusal"),
            "thinking": text("reasoning"),
            "image_url": _LINK,
            "video_url": _LINK,
            "input_audio": fields({"data": base64_media, "format": constant("wav", "mp3")}),
            "file": fields({"filename": text("file_name"), "file_data": base64_media, "file_id": leaves()}),
            "cache_control": fields({"type": _TYPE, "ttl": leaves()}),
        },
        otherwise=kind_of_text,
    )
    return each(parts)


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


def _message_fields(content: Rule) -> Rule:
    return fields(
        {
            "role": _ROLE,
            "content": content,
            "name": leaves(),
            "tool_call_id": leaves(),
            "tool_calls": each(_TOOL_CALL),
            "function_call": _CALLED,
            "refusal": text("refusal"),
            "reasoning_content": text("reasoning"),
            "reasoning": text("reasoning"),
            "audio": fields({"id": leaves()}),
        }
    )


_SPOKEN = _message_fields(_content(text("text")))
_RETURNED = _message_fields(_content(text("tool_result")))


def _speaker(message: Any) -> str:
    role = message.get("role") if is_object(message) else None
    if not is_text(role) or role not in _ROLES:
        return ""
    return "tool" if role == "function" else role


def _message(path: Path, role: str, value: Any, found: Found) -> None:
    (_RETURNED if role == "tool" else _SPOKEN)(path, role, value, found)


_FUNCTION = fields({"name": text("tool_name"), "description": text("tool_description"), "parameters": schema,
                    "strict": _NUMBER})  # fmt: skip
_TOOL = fields(
    {
        "type": _TYPE,
        "function": _FUNCTION,
        "custom": fields({"name": text("tool_name"), "description": text("tool_description"), "format": schema}),
    }
)
_SWITCH = constant("auto", "none", "required")
_CHOSEN = fields({"name": text("tool_name")})
_TOOL_CHOICE = fields(
    {
        "type": _TYPE,
        "function": _CHOSEN,
        "custom": _CHOSEN,
        "allowed_tools": fields({"mode": _SWITCH, "tools": each(_TOOL)}),
    },
    otherwise=_SWITCH,
)
_EFFORT = constant("none", "minimal", "low", "medium", "high", "xhigh", "max")

_REQUEST = fields(
    {
        "model": nothing,
        "messages": each(said_by(_speaker, _message)),
        "tools": each(_TOOL),
        "functions": each(_FUNCTION),
        "tool_choice": _TOOL_CHOICE,
        "function_call": fields({"name": text("tool_name")}, otherwise=_SWITCH),
        "response_format": fields({"type": _TYPE, "json_schema": schema}),
        "prediction": fields({"type": _TYPE, "content": _content(text("text"))}),
        **dict.fromkeys(
            ("stop", "user", "metadata", "web_search_options", "prompt_cache_key", "safety_identifier", "logit_bias"),
            leaves(),
        ),
        "modalities": each(constant("text", "audio")),
        "audio": fields({"voice": leaves(), "format": constant("wav", "aac", "mp3", "flac", "opus", "pcm16")}),
        "reasoning_effort": _EFFORT,
        "verbosity": _EFFORT,
        "service_tier": constant("auto", "default", "flex", "scale", "priority", "fast"),
        "prompt_cache_retention": constant("in-memory", "in_memory", "24h"),
        "stream_options": fields({"include_usage": _NUMBER, "include_obfuscation": _NUMBER}),
        **dict.fromkeys(
            (
                "stream", "n", "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "seed",
                "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "parallel_tool_calls", "store",
            ),
            _NUMBER,
        ),
    }
)  # fmt: skip


def parse(incoming: Incoming, document: Any) -> Request:
    """Understand a chat request: see :meth:`gateway.core.ports.Dialect.parse`."""
    document = body_object(document)
    messages = document.get("messages")
    if not is_array(messages):
        raise MalformedRequest("'messages' must be an array of objects.", param="messages")
    for message in messages:
        if message.__class__ is not dict:
            index = messages.index(message)
            raise MalformedRequest(f"'messages[{index}]' must be an object.", param=f"messages[{index}]")
    return read_request(incoming, document, dialect=DIALECT_NAME, operation="chat", path="/chat/completions")


def segments(document: Any) -> Iterator[Segment]:
    """Every text of a chat request, in the order in which it stands there."""
    found: Found = []
    _REQUEST((), "", document, found)
    name_tools(document, found)
    return iter(found)
