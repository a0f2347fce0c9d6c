"""A conversation written as a request, for a provider that speaks Responses."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import ChatRequest, Opaque, OutputFormat, Reasoning, Thinking, Tool, ToolChoice, ToolResult, Turn
from gateway.core.codec import WireRequest
from gateway.core.losses import Losses
from gateway.wire.openai_responses.chat_items import Items
from gateway.wire.openai_responses.chat_pieces import write_content
from gateway.wire.openai_responses.request import DIALECT_NAME

PATH = "/responses"
_OPENAI = "openai_"
_SHARED = frozenset({"verbosity", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"})
_HARMLESS = frozenset(
    {"prompt_cache_key", "prompt_cache_retention", "safety_identifier", "cache_control", "anthropic_beta"}
)
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_UNKNOWN = (
    "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "logit_bias",
)  # fmt: skip


def write_request(chat: ChatRequest, model: str, losses: Losses) -> WireRequest:
    """Write a request: see :meth:`gateway.core.codec.ChatCodec.write_request`."""
    document: dict[str, Any] = {"model": model or chat.model, "input": _input(chat, losses)}
    if chat.stream:
        document["stream"] = True
    if chat.choices != 1:
        losses.lose("choices", "this provider gives one answer")
    tools = write_tools(chat.tools, losses)
    if tools:
        document["tools"] = tools
        if chat.tool_choice is not None:
            document["tool_choice"] = write_choice(chat.tool_choice, chat.tools)
        if chat.parallel_tools is not None:
            document["parallel_tool_calls"] = chat.parallel_tools
    if text := _text(chat):
        document["text"] = text
    _sampling(chat, document, losses)
    if chat.thinking is not None and (held := write_thinking(chat.thinking, losses)):
        document["reasoning"] = held
    _labels(chat, document, losses)
    _extras(chat, document, losses)
    return WireRequest(path=PATH, document=document)


def _text(chat: ChatRequest) -> dict[str, Any]:
    held: dict[str, Any] = {}
    if chat.format is not None:
        held["format"] = write_format(chat.format)
    if "verbosity" in chat.extras:
        held["verbosity"] = chat.extras["verbosity"]
    return held


def _extras(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    own, kin = chat.dialect == DIALECT_NAME, chat.dialect.startswith(_OPENAI)
    for name, value in chat.extras.items():
        if own or (kin and name in _SHARED):
            if name != "verbosity":
                document[name] = value
        elif name in _HARMLESS:
            losses.always(name)
        else:
            losses.lose(name)


def _input(chat: ChatRequest, losses: Losses) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    own_files = chat.dialect.startswith(_OPENAI)
    called = 0
    for turn in chat.turns:
        if turn.name:
            losses.always("name")
        if turn.role == "assistant":
            items = Items("", called, history=True)
            for part in turn.parts:
                if isinstance(part, (Opaque, Reasoning)) and _origin(part) != DIALECT_NAME:
                    losses.always("thinking" if isinstance(part, Reasoning) else part.kind)
                else:
                    items.add(part)
            written += items.done()
            called = items.calls
        else:
            written += _told(turn, chat, losses, own_files=own_files)
    return written


def _origin(part: Opaque | Reasoning) -> str:
    return part.dialect if isinstance(part, Opaque) else part.origin


def _told(turn: Turn, chat: ChatRequest, losses: Losses, *, own_files: bool) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    rest: list[Any] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            written.append(_result(part, chat, losses, own_files=own_files))
        elif isinstance(part, Opaque):
            if part.dialect == DIALECT_NAME:
                written.append(part.document)
            else:
                losses.always(part.kind)
        else:
            rest.append(part)
    if rest:
        content = write_content(tuple(rest), losses, own_files=own_files)
        role = "user" if turn.role == "tool" else turn.role
        written.append({"type": "message", "role": role, "content": content})
    return written


def _result(part: ToolResult, chat: ChatRequest, losses: Losses, *, own_files: bool) -> dict[str, Any]:
    if part.is_error:
        losses.always("is_error")
    if part.cache is not None:
        losses.always("cache_control")
    custom = any(tool.custom and tool.name == part.name for tool in chat.tools)
    kind = "custom_tool_call_output" if custom else "function_call_output"
    content = write_content(part.parts, losses, own_files=own_files)
    texts = [each["text"] for each in content if each["type"] == "input_text"]
    output: Any = "".join(texts) if len(texts) == len(content) <= 1 else content
    return {"type": kind, "call_id": part.call_id, "output": output}


def write_tools(tools: tuple[Tool, ...], losses: Losses) -> list[dict[str, Any]]:
    """Write definitions of tools."""
    written: list[dict[str, Any]] = []
    for tool in tools:
        if tool.cache is not None:
            losses.always("cache_control")
        if tool.opaque is None:
            written.append(_tool(tool))
        elif tool.opaque.dialect == DIALECT_NAME:
            written.append(tool.opaque.document)
        else:
            losses.lose("tools", f"this provider does not have the tool '{tool.opaque.kind}'")
    return written


def _tool(tool: Tool) -> dict[str, Any]:
    held: dict[str, Any] = {"type": "custom" if tool.custom else "function", "name": tool.name}
    if tool.description:
        held["description"] = tool.description
    if tool.custom:
        return held if tool.format is None else {**held, "format": tool.format}
    # Strict unless said otherwise, which schemas written for other providers do not stand.
    return {**held, "parameters": tool.schema, "strict": bool(tool.strict)}


def write_choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> Any:
    """Write which tools the model may or must use."""
    custom = {tool.name for tool in tools if tool.custom}
    named = [{"type": "custom" if name in custom else "function", "name": name} for name in choice.names]
    if not named:
        return choice.mode
    if len(named) == 1 and choice.mode == "required":
        return named[0]
    return {"type": "allowed_tools", "mode": choice.mode, "tools": named}


def write_format(wanted: OutputFormat) -> dict[str, Any]:
    """Write what the answer's text must look like."""
    if wanted.kind == "text":
        return {"type": "text"}
    if wanted.kind == "json":
        return {"type": "json_object"}
    held: dict[str, Any] = {"type": "json_schema", "name": wanted.name or "answer", "schema": wanted.schema}
    if wanted.description:
        held["description"] = wanted.description
    if wanted.strict is not None:
        held["strict"] = wanted.strict
    return held


def write_thinking(thinking: Thinking, losses: Losses) -> dict[str, Any]:
    """Write how much the model is to think."""
    held: dict[str, Any] = {}
    if thinking.effort is not None:
        held["effort"] = thinking.effort
    elif thinking.budget_tokens is not None:
        losses.lose("thinking.budget_tokens", "this provider is told in words how much to think")
    if thinking.summary or thinking.visible:
        held["summary"] = thinking.summary or "auto"
    return held


def _sampling(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    sampling = chat.sampling
    for name, field in (("max_tokens", "max_output_tokens"), ("temperature", "temperature"), ("top_p", "top_p")):
        if (value := getattr(sampling, name)) is not None:
            document[field] = value
    if sampling.logprobs:
        document["include"] = ["message.output_text.logprobs"]
    if sampling.top_logprobs is not None:
        document["top_logprobs"] = sampling.top_logprobs
    if sampling.stop:
        losses.lose("sampling.stop")
    for name in _UNKNOWN:
        if getattr(sampling, name) is not None:
            losses.lose(f"sampling.{name}")


def _labels(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    if chat.user:
        document["user"] = chat.user
    if chat.metadata:
        document["metadata"] = chat.metadata
    if chat.service_tier in _TIERS:
        document["service_tier"] = chat.service_tier
    elif chat.service_tier:
        losses.always("service_tier")
    # A client of another dialect knows of no answers that are kept unless it says so.
    if chat.dialect != DIALECT_NAME or chat.store is not None:
        document["store"] = bool(chat.store)
    if chat.previous:
        if chat.dialect == DIALECT_NAME:
            document["previous_response_id"] = chat.previous
        else:
            losses.lose("previous")
    if chat.modalities and chat.modalities != ("text",):
        losses.lose("modalities", "this provider answers in text")
