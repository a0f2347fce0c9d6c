"""A chat request read into :mod:`gateway.core.chat`: what stands beside the messages; these are in ``chat_turns``."""

from __future__ import annotations

from typing import Any, cast

from gateway.core.chat import (
    ChatRequest,
    Effort,
    Opaque,
    OutputFormat,
    Sampling,
    Thinking,
    Tool,
    ToolChoice,
)
from gateway.core.errors import MalformedRequest
from gateway.wire.openai_chat.chat_turns import read_turns
from gateway.wire.openai_chat.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

# Fields of the canonical form that have another name here.
_NAMES = {
    "turns": "messages",
    "choices": "n",
    "format": "response_format",
    "parallel_tools": "parallel_tool_calls",
    "thinking": "reasoning_effort",
    "thinking.effort": "reasoning_effort",
    "sampling.max_tokens": "max_tokens",
}
_READ = frozenset(
    (
        "model", "messages", "stream", "stream_options", "n", "tools", "functions", "tool_choice", "function_call",
        "parallel_tool_calls", "response_format", "max_tokens", "max_completion_tokens", "temperature", "top_p",
        "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "stop", "logprobs",
        "top_logprobs", "logit_bias", "reasoning_effort", "user", "metadata", "service_tier", "store", "modalities",
    )
)  # fmt: skip
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
_MODES = frozenset({"auto", "none", "required"})


def read_request(document: dict[str, Any]) -> ChatRequest:
    """Read a request: see :meth:`gateway.core.codec.ChatCodec.read_request`."""
    names = dict(_NAMES)
    if document.get("max_completion_tokens") is not None:
        names["sampling.max_tokens"] = "max_completion_tokens"
    effort = _text(document, "reasoning_effort")
    if effort and effort not in _EFFORTS:
        raise _wrong("reasoning_effort", "one of " + ", ".join(sorted(_EFFORTS)))
    return ChatRequest(
        dialect=DIALECT_NAME,
        model=_text(document, "model"),
        turns=read_turns(document.get("messages")),
        stream=document.get("stream") is True,
        choices=_integer(document, "n") or 1,
        tools=_tools(document),
        tool_choice=_tool_choice(document),
        parallel_tools=_flag(document, "parallel_tool_calls"),
        format=_format(document.get("response_format")),
        sampling=_sampling(document),
        thinking=Thinking(effort=cast("Effort", effort)) if effort else None,
        user=_text(document, "user"),
        metadata=_object(document, "metadata"),
        service_tier=_text(document, "service_tier"),
        store=_flag(document, "store"),
        modalities=_texts(document.get("modalities"), "modalities"),
        extras={name: value for name, value in document.items() if name not in _READ and value is not None},
        names=names,
    )


def _sampling(document: dict[str, Any]) -> Sampling:
    stop = document.get("stop")
    bias = document.get("logit_bias")
    if bias is not None and not is_object(bias):
        raise _wrong("logit_bias", "an object")
    most = _integer(document, "max_completion_tokens")
    return Sampling(
        max_tokens=_integer(document, "max_tokens") if most is None else most,
        temperature=_number(document, "temperature"),
        top_p=_number(document, "top_p"),
        top_k=_integer(document, "top_k"),
        min_p=_number(document, "min_p"),
        frequency_penalty=_number(document, "frequency_penalty"),
        presence_penalty=_number(document, "presence_penalty"),
        repetition_penalty=_number(document, "repetition_penalty"),
        seed=_integer(document, "seed"),
        stop=(stop,) if is_text(stop) else _texts(stop, "stop"),
        logprobs=_flag(document, "logprobs"),
        top_logprobs=_integer(document, "top_logprobs"),
        logit_bias=bias or None,
    )


def _tools(document: dict[str, Any]) -> tuple[Tool, ...]:
    read = [_tool(tool, f"tools[{at}]") for at, tool in enumerate(_array(document, "tools"))]
    for at, function in enumerate(_array(document, "functions")):
        if not is_object(function):
            raise _wrong(f"functions[{at}]", "an object")
        read.append(_function(function, f"functions[{at}]"))
    return tuple(read)


def _tool(tool: Any, where: str) -> Tool:
    if not is_object(tool):
        raise _wrong(where, "an object")
    kind = tool.get("type", "function")
    if kind not in ("function", "custom"):
        return Tool(opaque=Opaque(dialect=DIALECT_NAME, kind=str(kind), document=tool))
    held = tool.get(kind)
    if not is_object(held):
        raise _wrong(f"{where}.{kind}", "an object")
    if kind == "function":
        return _function(held, f"{where}.function")
    return Tool(
        name=_name(held, f"{where}.custom"),
        description=_text(held, "description"),
        custom=True,
        format=held.get("format"),
    )


def _function(held: dict[str, Any], where: str) -> Tool:
    return Tool(
        name=_name(held, where),
        description=_text(held, "description"),
        schema=held.get("parameters"),
        strict=_flag(held, "strict"),
    )


def _tool_choice(document: dict[str, Any]) -> ToolChoice | None:
    choice = document.get("tool_choice")
    if choice is None:
        return _legacy_choice(document.get("function_call"))
    if is_text(choice) and choice in _MODES:
        return ToolChoice(mode=cast("Any", choice))
    kind = choice.get("type") if is_object(choice) else None
    held: Any = choice.get(kind) if is_object(choice) and is_text(kind) else None
    if is_object(held) and kind in ("function", "custom"):
        return ToolChoice(mode="required", names=(_name(held, f"tool_choice.{kind}"),))
    if is_object(held) and kind == "allowed_tools":
        named = [
            _named(tool, f"tool_choice.allowed_tools.tools[{at}]") for at, tool in enumerate(_array(held, "tools"))
        ]
        mode = held.get("mode", "auto")
        if mode in ("auto", "required"):
            return ToolChoice(mode=mode, names=tuple(named))
    raise _wrong("tool_choice", "auto, none, required, or an object that names a tool")


def _legacy_choice(choice: Any) -> ToolChoice | None:
    if choice is None:
        return None
    if choice in ("auto", "none"):
        return ToolChoice(mode=choice)
    if is_object(choice):
        return ToolChoice(mode="required", names=(_name(choice, "function_call"),))
    raise _wrong("function_call", "auto, none, or an object that names a function")


def _named(tool: Any, where: str) -> str:
    kind = tool.get("type", "function") if is_object(tool) else None
    held = tool.get(kind) if is_text(kind) else None
    if not is_object(held):
        raise _wrong(where, "an object that names a tool")
    return _name(held, where)


def _format(value: Any) -> OutputFormat | None:
    if value is None:
        return None
    kind = value.get("type") if is_object(value) else None
    if kind == "text":
        return OutputFormat()
    if kind == "json_object":
        return OutputFormat(kind="json")
    held = value.get("json_schema") if kind == "json_schema" else None
    if not is_object(held):
        raise _wrong("response_format", "of type text, json_object, or json_schema with a schema")
    return OutputFormat(
        kind="schema",
        name=_text(held, "name"),
        description=_text(held, "description"),
        schema=held.get("schema"),
        strict=_flag(held, "strict"),
    )


def _wrong(where: str, wanted: str) -> MalformedRequest:
    return MalformedRequest(f"'{where}' must be {wanted}.", param=where)


def _name(holder: dict[str, Any], where: str) -> str:
    name = holder.get("name")
    if not is_text(name) or not name:
        raise _wrong(f"{where}.name", "a string that is not empty")
    return name


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    if value is not None and not is_text(value):
        raise _wrong(name, "a string")
    return value or ""


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not is_array(value) or not all(is_text(item) for item in value):
        raise _wrong(name, "an array of strings")
    return tuple(value)


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
