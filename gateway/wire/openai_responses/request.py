"""Requests: what we read of them, and every text in them.

Besides new answers there are those that the provider keeps: a request for one names it in its path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from gateway.core.errors import MalformedRequest, MethodNotAllowed, RouteNotFound
from gateway.core.exchange import Incoming, Request
from gateway.core.segments import Segment
from gateway.wire.grammar import Found, Rule, constant, each, fields, leaves, nothing, schema, text, url
from gateway.wire.openai_request import body_object
from gateway.wire.openai_responses.items import NUMBER, TYPE, item_of, name_results
from gateway.wire.patch import dump, set_model
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

DIALECT_NAME = "openai_responses"
CREATE = "/v1/responses"
# What is below /responses and names no answer.
_UNNAMED = frozenset({"compact", "input_tokens"})
_BELOW = {"": ("GET", "DELETE"), "cancel": ("POST",), "input_items": ("GET",)}
_PROVIDERS = re.compile(r"/providers/([A-Za-z0-9][A-Za-z0-9._-]{0,63})(/responses(?:/.*)?)")
# No identifier of a provider's is longer or has other characters, and ours end in a seal.
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.-]{1,1024}")
_AFTER = "starting_after"

_SWITCH = constant("auto", "none", "required")
_EFFORT = constant("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SUMMARY = constant("auto", "concise", "detailed")
_TOOL_TYPE = constant(
    "function", "custom", "file_search", "web_search", "web_search_preview", "web_search_2025_08_26", "computer",
    "web_search_preview_2025_03_11", "computer_use_preview", "computer_use", "mcp", "code_interpreter",
    "image_generation", "local_shell", "shell", "apply_patch", "namespace", "tool_search", "allowed_tools", "auto",
    "text", "json_object", "json_schema", "grammar", "approximate",
)  # fmt: skip


def _tool(inner: Rule) -> Rule:
    return fields(
        {
            "type": _TOOL_TYPE,
            "name": text("tool_name"),
            "description": text("tool_description"),
            "parameters": schema,
            "output_schema": schema,
            "strict": NUMBER,
            "async": NUMBER,
            "defer_loading": NUMBER,
            "format": fields({"type": _TOOL_TYPE, "syntax": constant("lark", "regex"), "definition": schema}),
            "tools": each(inner),
            "server_url": text("url"),
            "server_description": text("tool_description"),
        }
    )


_TOOL = _tool(_tool(leaves()))
_TOOL_CHOICE = fields(
    {
        "type": _TOOL_TYPE,
        "name": text("tool_name"),
        "mode": _SWITCH,
        "server_label": leaves(),
        "tools": each(_tool(leaves())),
    },
    otherwise=_SWITCH,
)
_VARIABLE = fields({"type": TYPE, "text": text("text"), "image_url": url, "file_id": leaves()}, otherwise=text("text"))


# What a request asks for, and its answer repeats.
ASKED: dict[str, Rule] = {
    "instructions": each(item_of("system")),
    "tools": each(_TOOL),
    "tool_choice": _TOOL_CHOICE,
    "text": fields(
        {
            "format": fields(
                {
                    "type": _TOOL_TYPE,
                    "name": leaves(),
                    "description": text("tool_description"),
                    "schema": schema,
                    "strict": NUMBER,
                }
            ),
            "verbosity": _EFFORT,
        }
    ),
    "reasoning": fields(
        {
            "effort": _EFFORT,
            "summary": _SUMMARY,
            "generate_summary": _SUMMARY,
            "context": constant("auto", "current_turn", "all_turns"),
            "mode": constant("standard", "pro"),
        }
    ),
    "prompt": fields({"id": leaves(), "version": leaves(), "variables": fields({}, otherwise=_VARIABLE)}),
    "conversation": fields({"id": leaves()}),
    **dict.fromkeys(("user", "metadata", "prompt_cache_key", "safety_identifier", "moderation"), leaves()),
    "service_tier": constant("auto", "default", "flex", "scale", "priority", "fast"),
    "truncation": constant("auto", "disabled"),
    "prompt_cache_retention": constant("in-memory", "in_memory", "24h"),
    "stream_options": fields({"include_obfuscation": NUMBER, "include_usage": NUMBER}),
    "include": each(
        constant(
            "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
            "message.input_image.image_url", "computer_call_output.output.image_url",
            "code_interpreter_call.outputs", "reasoning.encrypted_content", "message.output_text.logprobs",
        )
    ),
    **dict.fromkeys(
        (
            "stream", "store", "background", "temperature", "top_p", "top_logprobs", "max_output_tokens",
            "max_tool_calls", "parallel_tool_calls", "frequency_penalty", "presence_penalty",
        ),
        NUMBER,
    ),
}  # fmt: skip
_REQUEST = fields({**ASKED, "model": nothing, "previous_response_id": leaves(), "input": each(item_of("user"))})


def segments(document: Any) -> Iterator[Segment]:
    """Every text of a request, in the order in which it stands there."""
    found: Found = []
    if document is not None:
        _REQUEST((), "", document, found)
    if is_object(document):
        name_results(document.get("input"), ("input",), found)
    return iter(found)


def parse(incoming: Incoming, document: Any) -> Request:
    """Understand a request for a new answer: see :meth:`gateway.core.ports.Dialect.parse`."""
    if incoming.method != "POST":
        raise MethodNotAllowed("This path takes POST.")
    document = body_object(document)
    provider, below = _target(incoming.path)
    model = document.get("model")
    if model is not None and not is_text(model):
        raise MalformedRequest("'model' must be a string.", param="model")
    if not model and not provider and not is_object(document.get("prompt")):
        raise MalformedRequest("'model' must be a string that is not empty.", param="model")
    _check_input(document.get("input"))
    stream = document.get("stream")
    if stream is not None and stream.__class__ is not bool:
        raise MalformedRequest("'stream' must be true, false or null.", param="stream")
    previous = document.get("previous_response_id")
    if previous is not None and not is_text(previous):
        raise MalformedRequest("'previous_response_id' must be a string or null.", param="previous_response_id")
    return Request(
        dialect=DIALECT_NAME,
        operation="" if below == "/responses/input_tokens" else "chat",
        route="/v1" + below,
        upstream_path=f"{below}?{incoming.query}" if incoming.query else below,
        provider=provider,
        document=document,
        body=incoming.body,
        model=model or "",
        stream=stream is True,
        wants_usage=True,
        max_output_tokens=_max_tokens(document),
        stored=previous or "",
        detached=document.get("background") is True,
    )


def parse_stored(incoming: Incoming) -> Request:
    """Understand a request for an answer that the provider keeps.

    Raises:
        RouteNotFound: The path names none, or nothing that can be asked of one.
        MethodNotAllowed: The path takes other methods.
        MalformedRequest: ``starting_after`` is no number.
    """
    provider, below = _target(incoming.path)
    _, _, encoded, *rest = [*below.split("/"), ""]
    action = "/".join(rest[:-1]) if rest else ""
    identifier = unquote(encoded)
    methods = _BELOW.get(action)
    if methods is None or _IDENTIFIER.fullmatch(identifier) is None:
        raise RouteNotFound("No such path below /v1/responses.")
    if incoming.method not in methods:
        raise MethodNotAllowed(f"This path takes {', '.join(methods)}.")
    path = f"/responses/{identifier}" + (f"/{action}" if action else "")
    asked = parse_qsl(incoming.query, keep_blank_values=True)
    stream = not action and incoming.method == "GET" and ("stream", "true") in asked
    return Request(
        dialect=DIALECT_NAME,
        operation="",
        route="/v1/responses/{id}" + (f"/{action}" if action else ""),
        upstream_path=f"{path}?{incoming.query}" if incoming.query else path,
        provider=provider,
        body=incoming.body,
        stream=stream,
        wants_usage=True,
        stored=identifier,
        detached=True,
        after=_after(asked) if stream else None,
    )


def names_stored(path: str) -> bool:
    """Say whether a path is that of an answer which the provider keeps, or of one among a named provider's."""
    if path.startswith(CREATE + "/"):
        return True
    found = _PROVIDERS.fullmatch(path)
    return found is not None and found.group(2).count("/") > 1 and found.group(2)[11:] not in _UNNAMED


def names_new(path: str) -> bool:
    """Say whether a path is that of new answers of a named provider."""
    found = _PROVIDERS.fullmatch(path)
    return found is not None and (found.group(2) == "/responses" or found.group(2)[11:] in _UNNAMED)


def from_the_start(request: Request) -> str:
    """The path below the provider's base URL that asks for a stored stream from its first event on."""
    path, _, query = request.upstream_path.partition("?")
    left = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != _AFTER]
    return f"{path}?{urlencode(left)}" if left else path


def upstream_body(request: Request, document: Any, model: str) -> bytes:
    """Give the bytes for the provider: see :meth:`gateway.core.ports.Dialect.upstream_body`."""
    if document is None:
        return request.body
    changes: dict[str, Any] = {}
    if request.kept and request.kept != request.stored:
        changes["previous_response_id"] = request.kept
    if model and request.model and model != request.model:
        if not changes and document is request.document:
            return set_model(request.body, document, model)
        changes["model"] = model
    if not changes and document is request.document:
        return request.body
    return dump({**document, **changes})


def _target(path: str) -> tuple[str, str]:
    """Split a path into the provider it names and what is below the provider's base URL."""
    found = _PROVIDERS.fullmatch(path)
    if found is not None:
        return found.group(1), found.group(2).rstrip("/")
    return "", path.removeprefix("/v1").rstrip("/")


def _check_input(value: Any) -> None:
    if value is None or is_text(value):
        return
    if not is_array(value):
        raise MalformedRequest("'input' must be a string or an array.", param="input")
    for index, item in enumerate(value):
        if not is_object(item):
            raise MalformedRequest(f"'input[{index}]' must be an object.", param=f"input[{index}]")


def _max_tokens(document: dict[str, Any]) -> int | None:
    value = document.get("max_output_tokens")
    if value is None:
        return None
    if not is_integer(value):
        raise MalformedRequest("'max_output_tokens' must be an integer or null.", param="max_output_tokens")
    return value if value >= 0 else None


def _after(asked: list[tuple[str, str]]) -> int | None:
    values = [value for name, value in asked if name == _AFTER]
    if not values:
        return None
    if len(values) > 1 or not values[0].isdecimal() or len(values[0]) > 9:
        raise MalformedRequest("'starting_after' must be the number of an event.", param=_AFTER)
    return int(values[0])
