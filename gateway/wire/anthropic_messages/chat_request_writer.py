"""A conversation written as a request for a message."""

from __future__ import annotations

import re
from typing import Any

from gateway.core.chat import ChatRequest, Effort, OutputFormat, Sampling, Thinking, Tool
from gateway.core.codec import WireRequest
from gateway.core.losses import Losses
from gateway.wire.anthropic_messages.chat_pieces import write_cache
from gateway.wire.anthropic_messages.chat_turns_writer import TurnsWriter
from gateway.wire.anthropic_messages.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_object, is_text

PATH = "/messages"
VERSION = b"2023-06-01"
# The limit is not optional here. What a caller gets who set none is what every model of a line can write.
_LIMITS = (
    (re.compile(r"(?:.*[/.])?claude-(?:2|instant|3-(?:opus|sonnet|haiku))"), 4_096),
    (re.compile(r"(?:.*[/.])?claude-3-5"), 8_192),
    (re.compile(r"(?:.*[/.])?claude"), 32_000),
)
_LEAST_LIMIT = 4_096
# Models that take a budget of thought in tokens; later ones find their own, by effort.
_BUDGETED = re.compile(r"(?:.*[/.])?claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[0-5])?(?:-20\d{6})?(?:@.*)?$)")
_BUDGETS: dict[Effort, int] = {
    "minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_000, "max": 32_000,
}  # fmt: skip
_LEAST_BUDGET = 1_024
_TIERS = {"auto": "auto", "standard_only": "standard_only", "default": "standard_only"}
# Where bodies name what is asked of a model beside its version; here it is a header.
_BETAS = "anthropic_beta"
_HARMLESS = frozenset({"prompt_cache_key", "prompt_cache_retention", "safety_identifier", "cache_control", "verbosity"})
# What others can do, and the value that does nothing.
_IDLE: dict[str, Any] = {
    "min_p": 0, "frequency_penalty": 0, "presence_penalty": 0, "repetition_penalty": 1, "seed": None, "logprobs": False,
    "top_logprobs": 0, "logit_bias": {},
}  # fmt: skip


def write_request(chat: ChatRequest, model: str, losses: Losses) -> WireRequest:
    """Write a request: see :meth:`gateway.core.codec.ChatCodec.write_request`."""
    name = model or chat.model
    own = chat.dialect == DIALECT_NAME
    limit = chat.sampling.max_tokens
    document: dict[str, Any] = {"model": name, "max_tokens": _limit(name) if limit is None else limit}
    turns = TurnsWriter(losses, own=own)
    turns.write(chat.turns)
    if turns.system:
        document["system"] = turns.system
    document["messages"] = turns.messages
    if chat.stream:
        document["stream"] = True
    _tools(chat, document, losses)
    config = dict(chat.extras.get("output_config", {})) if own else {}
    if chat.format is not None:
        _format(chat.format, config, losses)
    if chat.thinking is not None:
        _Thinking(chat, name, losses).write(chat.thinking, document, config)
    if config:
        document["output_config"] = config
    _sampling(chat, document, losses)
    _labels(chat, document, losses)
    _extras(chat, document, losses)
    headers = {b"anthropic-version": VERSION}
    if own and is_array(betas := document.pop(_BETAS, None)):
        headers[b"anthropic-beta"] = ",".join(filter(is_text, betas)).encode()
    return WireRequest(path=PATH, document=document, headers=headers)


def _limit(model: str) -> int:
    return next((limit for pattern, limit in _LIMITS if pattern.match(model)), _LEAST_LIMIT)


def _tools(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    choice = chat.tool_choice
    # Which tools may be used is said by offering no others, where it is not one that must be.
    only = set(choice.names) if choice and (len(choice.names) > 1 or choice.mode == "auto") else set[str]()
    offered = [tool for tool in chat.tools if not only or tool.opaque is not None or tool.name in only]
    tools = [written for tool in offered if (written := _tool(tool, losses)) is not None]
    if tools:
        document["tools"] = tools
        _choose(chat, document)


def _choose(chat: ChatRequest, document: dict[str, Any]) -> None:
    choice = chat.tool_choice
    written: dict[str, Any] = {}
    if choice is not None:
        written["type"] = {"auto": "auto", "none": "none", "required": "any"}[choice.mode]
        if choice.mode == "required" and len(choice.names) == 1:
            written = {"type": "tool", "name": choice.names[0]}
    if chat.parallel_tools is False and written.get("type") != "none":
        written = {"type": "auto", **written, "disable_parallel_tool_use": True}
    if written:
        document["tool_choice"] = written


def _tool(tool: Tool, losses: Losses) -> dict[str, Any] | None:
    if tool.opaque is not None:
        if tool.opaque.dialect == DIALECT_NAME:
            return tool.opaque.document
        losses.lose("tools", f"this provider does not have the tool '{tool.opaque.kind}'")
        return None
    if tool.custom:
        losses.lose("tools", "this provider has no tools that take free text")
        return None
    schema: dict[str, Any] = tool.schema if is_object(tool.schema) else {"properties": {}}
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["input_schema"] = schema if "type" in schema else {"type": "object", **schema}
    if tool.strict:
        written["strict"] = True
    return {**written, **write_cache(tool.cache)}


def _format(wanted: OutputFormat, config: dict[str, Any], losses: Losses) -> None:
    if wanted.kind == "schema" and wanted.schema is not None:
        config["format"] = {"type": "json_schema", "schema": wanted.schema}
        if wanted.description:
            losses.always("format.description")
    elif wanted.kind != "text":
        losses.lose("format", "this provider must be told the schema of the JSON that is wanted")


class _Thinking:
    """Writes how much the model is to think, in the way that the model takes.

    Args:
        chat: What is asked.
        model: The name the provider knows.
        losses: Takes what has no place.
    """

    def __init__(self, chat: ChatRequest, model: str, losses: Losses) -> None:
        self._limited = chat.sampling.max_tokens is not None
        self._own = chat.dialect == DIALECT_NAME
        self._budgeted = _BUDGETED.match(model) is not None
        self._losses = losses

    def write(self, thinking: Thinking, document: dict[str, Any], config: dict[str, Any]) -> None:
        """Write it into the request and its ``output_config``."""
        effort, budget = thinking.effort, thinking.budget_tokens
        if effort == "none" or budget == 0:
            document["thinking"] = {"type": "disabled"}
            if effort not in (None, "none"):
                config["effort"] = effort
            return
        if budget is None and effort is not None and self._budgeted and not self._own:
            budget = _BUDGETS[effort]
        elif effort is not None:
            config["effort"] = "low" if effort == "minimal" else effort
        if budget is not None and budget > 0:
            self._within(budget, document)
        elif budget is not None or not self._own:
            document["thinking"] = {"type": "adaptive"}
        if thinking.visible is False and "thinking" in document:
            document["thinking"]["display"] = "omitted"

    def _within(self, budget: int, document: dict[str, Any]) -> None:
        """Thought is part of what a model may write: a limit that leaves no room for it goes before it."""
        limit = document["max_tokens"]
        if not self._limited:
            document["max_tokens"] = limit = max(limit, budget + _LEAST_LIMIT)
        if not self._own:
            budget = max(min(budget, limit - 1), _LEAST_BUDGET)
            if budget >= limit:
                self._losses.always("thinking")
                return
        document["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _sampling(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    sampling: Sampling = chat.sampling
    own = chat.dialect == DIALECT_NAME
    thinks = document.get("thinking", {}).get("type") in ("enabled", "adaptive")
    if (warm := sampling.temperature) is not None:
        if not own and warm > 1:
            losses.lose("sampling.temperature", "this provider takes at most 1")
        elif not own and thinks and warm != 1:
            losses.lose("sampling.temperature", "this provider takes none while the model thinks")
        else:
            document["temperature"] = warm
    for name in ("top_p", "top_k"):
        if (value := getattr(sampling, name)) is not None:
            document[name] = value
    if sampling.stop:
        document["stop_sequences"] = list(sampling.stop)
    for name, idle in _IDLE.items():
        value = getattr(sampling, name)
        if value is not None and value != idle:
            losses.lose(f"sampling.{name}")
    if chat.choices != 1:
        losses.lose("choices", "this provider gives one answer")


def _labels(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    own = chat.dialect == DIALECT_NAME
    labels = {"user_id": chat.user} if chat.user else {}
    if own:
        labels |= chat.metadata
    elif chat.metadata:
        losses.always("metadata")
    if labels:
        document["metadata"] = labels
    if chat.service_tier in _TIERS:
        document["service_tier"] = _TIERS[chat.service_tier]
    elif chat.service_tier:
        losses.always("service_tier")
    if chat.store:
        losses.lose("store", "this provider keeps no answers")
    elif chat.store is not None:
        losses.always("store")
    if chat.modalities and chat.modalities != ("text",):
        losses.lose("modalities", "this provider answers in text")
    if chat.previous:
        losses.lose("previous")


def _extras(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    for name, value in chat.extras.items():
        if chat.dialect == DIALECT_NAME:
            if not name.startswith("tools.") and name != "output_config":
                document[name] = value
        elif name in _HARMLESS:
            losses.always(name)
        else:
            losses.lose(name)
