"""A conversation written as a chat request, for OpenAI or one of the many servers that speak its dialect.

Two families differ: OpenAI's own models take ``max_completion_tokens`` and refuse what they do not know; other servers
know the older ``max_tokens`` and take what open models can do (``top_k``, …). The model's name tells them apart.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.core.chat import ChatRequest, OutputFormat, Sampling, Thinking, Tool, ToolChoice
from gateway.core.codec import WireRequest
from gateway.core.losses import Losses
from gateway.wire.openai_chat.chat_turns_writer import TurnsWriter
from gateway.wire.openai_chat.request import DIALECT_NAME

PATH = "/chat/completions"
_OPENAI_MODEL = re.compile(r"(?:.*/)?(?:ft:)?(?:gpt-(?!oss)|chatgpt-|o\d)")
_OPENAI = "openai_"
# Fields of OpenAI's other dialects that mean the same here.
_SHARED = frozenset({"prompt_cache_key", "prompt_cache_retention", "safety_identifier", "verbosity"})
# What changes nothing in the answer when it is left out.
_HARMLESS = frozenset(
    {"prompt_cache_key", "prompt_cache_retention", "safety_identifier", "cache_control", "anthropic_beta"}
)
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_SAME = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "logprobs", "top_logprobs")
_OPEN = ("top_k", "min_p", "repetition_penalty")
_MAX_STOP = 4


def write_request(chat: ChatRequest, model: str, losses: Losses, *, openai: bool | None = None) -> WireRequest:
    """Write a request: see :meth:`gateway.core.codec.ChatCodec.write_request`.

    Args:
        chat: What is asked.
        model: The name the provider knows.
        losses: Takes what has no place.
        openai: The model is one of OpenAI's own; ``None``: its name tells.
    """
    name = model or chat.model
    strict = bool(_OPENAI_MODEL.match(name)) if openai is None else openai
    document: dict[str, Any] = {"model": name}
    document["messages"] = TurnsWriter(losses, own_files=chat.dialect.startswith(_OPENAI)).write(chat.turns)
    if chat.stream:
        document |= {"stream": True, "stream_options": {"include_usage": True}}
    if chat.choices != 1:
        document["n"] = chat.choices
    _tools(chat, document, losses)
    if chat.format is not None:
        document["response_format"] = _format(chat.format)
    _sampling(chat, document, losses, strict=strict)
    if chat.thinking is not None:
        _thinking(chat.thinking, document, losses)
    _labels(chat, document, losses)
    _extras(chat, document, losses)
    return WireRequest(path=PATH, document=document)


def _tools(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    tools: list[dict[str, Any]] = []
    for tool in chat.tools:
        if tool.cache is not None:
            losses.always("cache_control")
        if tool.opaque is None:
            tools.append(_tool(tool))
        elif tool.opaque.dialect == DIALECT_NAME:
            tools.append(tool.opaque.document)
        else:
            losses.lose("tools", f"this provider does not have the tool '{tool.opaque.kind}'")
    if tools:
        document["tools"] = tools
        if chat.tool_choice is not None:
            document["tool_choice"] = _choice(chat.tool_choice, {tool.name for tool in chat.tools if tool.custom})
        if chat.parallel_tools is not None:
            document["parallel_tool_calls"] = chat.parallel_tools


def _tool(tool: Tool) -> dict[str, Any]:
    held: dict[str, Any] = {"name": tool.name}
    if tool.description:
        held["description"] = tool.description
    if tool.custom:
        if tool.format is not None:
            held["format"] = tool.format
        return {"type": "custom", "custom": held}
    if tool.schema is not None:
        held["parameters"] = tool.schema
    if tool.strict is not None:
        held["strict"] = tool.strict
    return {"type": "function", "function": held}


def _choice(choice: ToolChoice, custom: set[str]) -> Any:
    named: list[dict[str, Any]] = []
    for name in choice.names:
        kind = "custom" if name in custom else "function"
        named.append({"type": kind, kind: {"name": name}})
    if not named or choice.mode == "none":
        return choice.mode
    if len(named) == 1 and choice.mode == "required":
        return named[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": named}}


def _format(wanted: OutputFormat) -> dict[str, Any]:
    if wanted.kind != "schema":
        return {"type": "json_object" if wanted.kind == "json" else "text"}
    held: dict[str, Any] = {"name": wanted.name or "answer"}
    if wanted.description:
        held["description"] = wanted.description
    if wanted.schema is not None:
        held["schema"] = wanted.schema
    if wanted.strict is not None:
        held["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": held}


def _sampling(chat: ChatRequest, document: dict[str, Any], losses: Losses, *, strict: bool) -> None:
    sampling: Sampling = chat.sampling
    if sampling.max_tokens is not None:
        own = chat.names.get("sampling.max_tokens", "") if chat.dialect == DIALECT_NAME else ""
        document[own or ("max_completion_tokens" if strict else "max_tokens")] = sampling.max_tokens
    for name in _SAME:
        if (value := getattr(sampling, name)) is not None:
            document[name] = value
    for name in _OPEN:
        if (value := getattr(sampling, name)) is not None:
            if strict and chat.dialect != DIALECT_NAME:
                losses.lose(f"sampling.{name}")
            else:
                document[name] = value
    if sampling.stop:
        _stop(sampling.stop, document, losses, strict=strict)
    if sampling.logit_bias is not None:
        document["logit_bias"] = sampling.logit_bias


def _stop(stop: tuple[str, ...], document: dict[str, Any], losses: Losses, *, strict: bool) -> None:
    if strict and len(stop) > _MAX_STOP:
        losses.lose("sampling.stop", f"this provider takes at most {_MAX_STOP}")
        stop = stop[:_MAX_STOP]
    document["stop"] = list(stop)


def _thinking(thinking: Thinking, document: dict[str, Any], losses: Losses) -> None:
    effort, budget = thinking.effort, thinking.budget_tokens
    if effort is None and budget is not None and budget >= 0:
        # A budget is a hint; how near the words come to it is told, and no reason to refuse.
        effort = "none" if not budget else "low" if budget < 4096 else "medium" if budget < 16384 else "high"
        losses.always("thinking.budget_tokens")
    if effort is not None:
        document["reasoning_effort"] = effort
    if thinking.summary:
        losses.always("thinking.summary")


def _labels(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    if chat.user:
        document["user"] = chat.user
    if chat.metadata:
        # OpenAI takes labels for what it is to keep only.
        if chat.store or chat.dialect == DIALECT_NAME:
            document["metadata"] = chat.metadata
        else:
            losses.always("metadata")
    if chat.service_tier in _TIERS:
        document["service_tier"] = chat.service_tier
    elif chat.service_tier:
        losses.always("service_tier")
    if chat.store is not None:
        document["store"] = chat.store
    if chat.modalities and chat.modalities != ("text",):
        document["modalities"] = list(chat.modalities)
    if chat.previous:
        losses.lose("previous")


def _extras(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    for name, value in chat.extras.items():
        if chat.dialect == DIALECT_NAME or (name in _SHARED and chat.dialect.startswith(_OPENAI)):
            document[name] = value
        elif name in _HARMLESS:
            losses.always(name)
        else:
            losses.lose(name)
