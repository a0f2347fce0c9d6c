"""Requests for a message: what we read of them, and every text in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Incoming, Request
from gateway.core.segments import Path, Segment
from gateway.wire.anthropic_messages.blocks import CACHE, CONTENT, name_tools
from gateway.wire.grammar import Found, Rule, constant, each, fields, leaves, nothing, said_by, schema, text
from gateway.wire.patch import dump, edited, set_model
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

DIALECT_NAME = "anthropic_messages"
ROUTE = "/v1/messages"

_NUMBER = constant()
_ROLES = ("user", "assistant", "system")
_FORMAT = fields({"type": constant("json_schema"), "schema": schema, "name": leaves()})
_EFFORT = constant("low", "medium", "high", "xhigh", "max")


def _speaker(message: Any) -> str:
    role = message.get("role") if is_object(message) else None
    return role if is_text(role) and role in _ROLES else ""


def _by(role: str, rule: Rule) -> Rule:
    def spoken(path: Path, _: str, value: Any, found: Found) -> None:
        rule(path, role, value, found)

    return spoken


_TOOL = fields(
    {
        "type": constant("custom"),
        "name": text("tool_name"),
        "description": text("tool_description"),
        "input_schema": schema,
        "input_examples": leaves("tool_description"),
        "cache_control": CACHE,
        **dict.fromkeys(("strict", "defer_loading", "eager_input_streaming", "max_uses"), _NUMBER),
    }
)
_TOOL_CHOICE = fields(
    {
        "type": constant("auto", "any", "tool", "none"),
        "name": text("tool_name"),
        "disable_parallel_tool_use": _NUMBER,
    }
)
_THINKING = fields(
    {
        "type": constant("enabled", "disabled", "adaptive", "between_tools"),
        "budget_tokens": _NUMBER,
        "display": constant("summarized", "omitted"),
    }
)
_REQUEST = fields(
    {
        "model": nothing,
        "system": _by("system", CONTENT),
        "messages": each(said_by(_speaker, fields({"role": constant(*_ROLES), "content": CONTENT}))),
        "tools": each(_TOOL),
        "tool_choice": _TOOL_CHOICE,
        "thinking": _THINKING,
        "output_config": fields({"effort": _EFFORT, "format": _FORMAT}),
        "output_format": _FORMAT,
        "metadata": fields({"user_id": leaves()}),
        "stop_sequences": leaves(),
        "service_tier": constant("auto", "standard_only"),
        "speed": constant("standard", "fast"),
        "cache_control": CACHE,
        "betas": leaves(),
        **dict.fromkeys(("container", "mcp_servers", "context_management", "inference_geo"), leaves()),
        **dict.fromkeys(("max_tokens", "stream", "temperature", "top_p", "top_k"), _NUMBER),
    }
)


def parse(incoming: Incoming, document: Any) -> Request:
    """Understand a request for a message: see :meth:`gateway.core.ports.Dialect.parse`."""
    return read(incoming, document, dialect=DIALECT_NAME, operation="chat", path="/messages")


def read(incoming: Incoming, document: Any, *, dialect: str, operation: str, path: str) -> Request:
    """Read the fields that every request with messages has.

    Args:
        incoming: The request as it was framed.
        document: Its body, parsed strictly.
        dialect: The dialect's name.
        operation: OpenTelemetry's name of what is asked for.
        path: The path below a provider's base URL, with a leading slash.

    Raises:
        MalformedRequest: A field that we act on is missing or of the wrong type.
    """
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    model = document.get("model")
    if not is_text(model) or not model:
        raise MalformedRequest("'model' must be a string that is not empty.", param="model")
    messages = document.get("messages")
    if not is_array(messages):
        raise MalformedRequest("'messages' must be an array of objects.", param="messages")
    for index, message in enumerate(messages):
        if not is_object(message):
            raise MalformedRequest(f"'messages[{index}]' must be an object.", param=f"messages[{index}]")
    stream = document.get("stream")
    if stream is not None and stream.__class__ is not bool:
        raise MalformedRequest("'stream' must be true or false.", param="stream")
    limit = document.get("max_tokens")
    if limit is not None and not (is_integer(limit) and limit >= 0):
        raise MalformedRequest("'max_tokens' must be an integer that is not negative.", param="max_tokens")
    return Request(
        dialect=dialect,
        operation=operation,
        route="/v1" + path,
        upstream_path=f"{path}?{incoming.query}" if incoming.query else path,
        document=document,
        body=incoming.body,
        model=model,
        stream=stream is True,
        wants_usage=True,
        max_output_tokens=limit,
    )


def upstream_body(request: Request, document: Any, model: str) -> bytes:
    """Give the bytes for the provider: see :meth:`gateway.core.ports.Dialect.upstream_body`."""
    if document is not request.document:
        return dump(edited(document, model=model))
    if not model or model == request.model:
        return request.body
    return set_model(request.body, document, model)


def segments(document: Any) -> Iterator[Segment]:
    """Every text of a request, in the order in which it stands there."""
    found: Found = []
    _REQUEST((), "", document, found)
    name_tools(document, document.get("messages") if is_object(document) else None, found)
    return iter(found)
