"""A request read into :mod:`gateway.core.chat`: what stands beside the input; that is in ``chat_turns``."""

from __future__ import annotations

from typing import Any, cast

from gateway.core.chat import ChatRequest, Effort, Opaque, OutputFormat, Sampling, Thinking, Tool, ToolChoice
from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.wire.openai_responses.chat_pieces import text_of
from gateway.wire.openai_responses.chat_turns import read_turns
from gateway.wire.openai_responses.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

# Fields of the canonical form that have another name here.
_NAMES = {
    "turns": "input",
    "format": "text.format",
    "parallel_tools": "parallel_tool_calls",
    "thinking": "reasoning",
    "thinking.effort": "reasoning.effort",
    "thinking.summary": "reasoning.summary",
    "sampling.max_tokens": "max_output_tokens",
    "sampling.logprobs": "include",
    "previous": "previous_response_id",
    "verbosity": "text.verbosity",
}
_READ = frozenset(
    (
        "model", "input", "instructions", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls",
        "text", "reasoning", "max_output_tokens", "temperature", "top_p", "top_logprobs", "user", "metadata",
        "service_tier", "store", "previous_response_id", "include",
    )
)  # fmt: skip
# What these say is so without being said.
_USUAL = {"truncation": "disabled", "background": False}
_LOGPROBS = "message.output_text.logprobs"
# Where the answer has none of it, nothing is missed.
_HARMLESS = frozenset({_LOGPROBS, "reasoning.encrypted_content"})
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
_MODES = frozenset({"auto", "none", "required"})


def read_request(document: dict[str, Any], path: str) -> ChatRequest:
    """Read a request: see :meth:`gateway.core.codec.ChatCodec.read_request`."""
    if path.partition("?")[0].endswith(("/compact", "/input_tokens")):
        raise UnsupportedField("This provider does not take calls of this form.", param="model")
    include, text, reasoning = document.get("include"), _object(document, "text"), _object(document, "reasoning")
    included = include if is_array(include) else []
    extras = {
        name: value
        for name, value in document.items()
        if name not in _READ and value is not None and not (name in _USUAL and value == _USUAL[name])
    }
    if verbosity := text.get("verbosity"):
        extras["verbosity"] = verbosity
    if any(not is_text(each) or each not in _HARMLESS for each in included):
        extras["include"] = included
    return ChatRequest(
        dialect=DIALECT_NAME,
        model=text_of(document, "model"),
        turns=read_turns(document.get("instructions"), document.get("input")),
        stream=document.get("stream") is True,
        tools=tuple(_tool(tool, f"tools[{at}]") for at, tool in enumerate(_array(document, "tools"))),
        tool_choice=_choice(document.get("tool_choice"), extras),
        parallel_tools=_flag(document, "parallel_tool_calls"),
        format=_format(text.get("format")),
        sampling=Sampling(
            max_tokens=_integer(document, "max_output_tokens"),
            temperature=_number(document, "temperature"),
            top_p=_number(document, "top_p"),
            logprobs=True if _LOGPROBS in included else None,
            top_logprobs=_integer(document, "top_logprobs") or None,
        ),
        thinking=_thinking(reasoning),
        user=text_of(document, "user"),
        metadata=_object(document, "metadata"),
        service_tier=text_of(document, "service_tier"),
        store=_flag(document, "store"),
        previous=text_of(document, "previous_response_id"),
        extras=extras,
        names=dict(_NAMES),
    )


def _thinking(held: dict[str, Any]) -> Thinking | None:
    effort = text_of(held, "effort")
    if effort and effort not in _EFFORTS:
        raise _wrong("reasoning.effort", "one of " + ", ".join(sorted(_EFFORTS)))
    summary = text_of(held, "summary") or text_of(held, "generate_summary")
    if not effort and not summary:
        return None
    return Thinking(
        effort=cast("Effort", effort) if effort else None, visible=True if summary else None, summary=summary
    )


def _tool(tool: Any, where: str) -> Tool:
    if not is_object(tool):
        raise _wrong(where, "an object")
    kind = tool.get("type")
    if kind not in ("function", "custom"):
        return Tool(opaque=Opaque(dialect=DIALECT_NAME, kind=str(kind), document=tool))
    name, description = text_of(tool, "name"), text_of(tool, "description")
    if not name:
        raise _wrong(f"{where}.name", "a string that is not empty")
    if kind == "custom":
        return Tool(name=name, description=description, custom=True, format=tool.get("format"))
    return Tool(name=name, description=description, schema=tool.get("parameters"), strict=_flag(tool, "strict"))


def _choice(choice: Any, extras: dict[str, Any]) -> ToolChoice | None:
    if choice is None:
        return None
    if is_text(choice) and choice in _MODES:
        return ToolChoice(mode=cast("Any", choice))
    kind = choice.get("type") if is_object(choice) else None
    if is_object(choice) and kind in ("function", "custom") and text_of(choice, "name"):
        return ToolChoice(mode="required", names=(text_of(choice, "name"),))
    if is_object(choice) and kind == "allowed_tools" and is_array(tools := choice.get("tools")):
        named = [text_of(tool, "name") for tool in tools if is_object(tool)]
        if all(named) and choice.get("mode", "auto") in ("auto", "required"):
            return ToolChoice(mode=choice.get("mode", "auto"), names=tuple(named))
    if not is_object(choice):
        raise _wrong("tool_choice", "auto, none, required, or an object that names a tool")
    # One of the provider's own tools.
    extras["tool_choice"] = choice
    return None


def _format(value: Any) -> OutputFormat | None:
    if value is None:
        return None
    kind = value.get("type") if is_object(value) else None
    if kind == "text":
        return OutputFormat()
    if kind == "json_object":
        return OutputFormat(kind="json")
    if not is_object(value) or kind != "json_schema":
        raise _wrong("text.format", "of type text, json_object, or json_schema")
    return OutputFormat(
        kind="schema",
        name=text_of(value, "name"),
        description=text_of(value, "description"),
        schema=value.get("schema"),
        strict=_flag(value, "strict"),
    )


def _wrong(where: str, wanted: str) -> MalformedRequest:
    return MalformedRequest(f"'{where}' must be {wanted}.", param=where)


def _array(holder: dict[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    if value is not None and not is_array(value):
        raise _wrong(name, "an array")
    return value or []


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    if value is not None and not is_object(value):
        raise _wrong(name, "an object")
    return value or {}


def _flag(holder: dict[str, Any], name: str) -> bool | None:
    value = holder.get(name)
    if value is not None and value.__class__ is not bool:
        raise _wrong(name, "true or false")
    return value


def _integer(holder: dict[str, Any], name: str) -> int | None:
    value = holder.get(name)
    if value is not None and not is_integer(value):
        raise _wrong(name, "an integer")
    return value


def _number(holder: dict[str, Any], name: str) -> float | None:
    value = holder.get(name)
    if value is not None and value.__class__ not in (int, float):
        raise _wrong(name, "a number")
    return value
