"""Requests of a conversation: what we read of them, and every text in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Incoming, Request
from gateway.core.segments import Path, Segment
from gateway.wire.aws_eventstream import MEDIA_TYPE
from gateway.wire.bedrock_converse.blocks import CACHE, CONTENT, MESSAGE, name_tools
from gateway.wire.bedrock_converse.paths import read
from gateway.wire.grammar import Found, constant, each, fields, leaves, said_by, schema, text
from gateway.wire.patch import dump
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

DIALECT_NAME = "bedrock_converse"

_NUMBER = constant()
_ROLES = ("user", "assistant", "system")
_SPEC = fields(
    {
        "name": text("tool_name"),
        "description": text("tool_description"),
        "inputSchema": fields({"json": schema}),
        "strict": _NUMBER,
    }
)
_CHOICE = fields({"auto": fields({}), "any": fields({}), "tool": fields({"name": text("tool_name")})})
_FORM = fields({"schema": leaves("tool_description"), "name": leaves(), "description": leaves("tool_description")})


def _speaker(message: Any) -> str:
    role = message.get("role") if is_object(message) else None
    return role if is_text(role) and role in _ROLES else ""


def _system(path: Path, _: str, value: Any, found: Found) -> None:
    CONTENT(path, "system", value, found)


_REQUEST = fields(
    {
        "system": _system,
        "messages": each(said_by(_speaker, MESSAGE)),
        "inferenceConfig": fields(
            {**dict.fromkeys(("maxTokens", "temperature", "topP"), _NUMBER), "stopSequences": leaves()}
        ),
        "toolConfig": fields(
            {
                "tools": each(
                    fields({"toolSpec": _SPEC, "systemTool": fields({"name": text("tool_name")}), "cachePoint": CACHE})
                ),
                "toolChoice": _CHOICE,
            }
        ),
        "guardrailConfig": fields(
            {
                **dict.fromkeys(("guardrailIdentifier", "guardrailVersion"), leaves()),
                "trace": constant("enabled", "disabled", "enabled_full"),
                "streamProcessingMode": constant("sync", "async"),
            }
        ),
        # Goes into a prompt that the provider keeps.
        "promptVariables": leaves("text"),
        "performanceConfig": fields({"latency": constant("standard", "optimized")}),
        "serviceTier": fields({"type": constant("priority", "default", "flex", "reserved")}),
        "outputConfig": fields(
            {
                "textFormat": fields({"type": constant("json_schema"), "structure": fields({"jsonSchema": _FORM})}),
                "effort": constant("low", "medium", "high", "xhigh", "max"),
            }
        ),
        **dict.fromkeys(
            (
                "additionalModelRequestFields",
                "additionalModelResponseFieldPaths",
                "requestMetadata",
                "projectIdentifier",
            ),
            leaves(),
        ),
    }
)


def parse(incoming: Incoming, document: Any) -> Request:
    """Understand a request: see :meth:`gateway.core.ports.Dialect.parse`."""
    target = read(incoming)
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    messages = document.get("messages")
    if messages is not None and not is_array(messages):
        raise MalformedRequest("'messages' must be an array of objects.", param="messages")
    for index, message in enumerate(messages or ()):
        if not is_object(message):
            raise MalformedRequest(f"'messages[{index}]' must be an object.", param=f"messages[{index}]")
    config = document.get("inferenceConfig")
    if config is not None and not is_object(config):
        raise MalformedRequest("'inferenceConfig' must be an object.", param="inferenceConfig")
    limit = config.get("maxTokens") if config else None
    if limit is not None and not (is_integer(limit) and limit >= 0):
        raise MalformedRequest(
            "'inferenceConfig.maxTokens' must be an integer that is not negative.", param="inferenceConfig.maxTokens"
        )
    return Request(
        dialect=DIALECT_NAME,
        operation="chat",
        route=target.route,
        upstream_path=target.upstream(incoming.query),
        model_in_path=True,
        document=document,
        body=incoming.body,
        model=target.model,
        stream=target.stream,
        stream_type=MEDIA_TYPE if target.stream else b"",
        wants_usage=True,
        max_output_tokens=limit,
    )


def upstream_body(request: Request, document: Any) -> bytes:
    """Give the bytes for the provider: see :meth:`gateway.core.ports.Dialect.upstream_body`."""
    return request.body if document is request.document else dump(document)


def segments(document: Any) -> Iterator[Segment]:
    """Every text of a request, in the order in which it stands there."""
    found: Found = []
    _REQUEST((), "", document, found)
    name_tools(document, document.get("messages") if is_object(document) else None, found)
    return iter(found)
