"""A conversation written as a request to generate."""

from __future__ import annotations

import re
from typing import Any

from gateway.core.chat import ChatRequest, Sampling, Thinking, Tool, ToolChoice
from gateway.core.codec import WireRequest
from gateway.core.losses import Losses
from gateway.wire.gemini.chat_turns_writer import TurnsWriter
from gateway.wire.gemini.paths import GENERATE, STREAM
from gateway.wire.gemini.request import DIALECT_NAME
from gateway.wire.request_target import with_model

# Models that think by levels, and want every call sealed.
_BY_LEVEL = re.compile(r"(?:.*/)?gemini-(?:[3-9]|\d\d)")
# How much thinking a word stands for, for models that count it: what Google's own form of chat makes of it.
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
_LEVELS = {
    "none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH",
    "max": "HIGH",
}  # fmt: skip
_SAMPLING = {
    "max_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
_NOT_HERE = ("min_p", "repetition_penalty", "logit_bias")
_MAX_STOP = 5
_TIERS = frozenset({"flex", "standard", "priority"})
# What changes nothing in the answer when it is left out.
_HARMLESS = frozenset(
    {"prompt_cache_key", "prompt_cache_retention", "safety_identifier", "cache_control", "anthropic_beta"}
)
_CONFIG, _TOOLS = "generationConfig.", "toolConfig."


def write_request(chat: ChatRequest, model: str, losses: Losses) -> WireRequest:
    """Write a request: see :meth:`gateway.core.codec.ChatCodec.write_request`."""
    name = model or chat.model
    by_level = _BY_LEVEL.match(name) is not None
    turns = TurnsWriter(losses, seals=by_level and chat.dialect != DIALECT_NAME)
    document: dict[str, Any] = {"contents": turns.write(chat.turns)}
    if turns.system:
        document["systemInstruction"] = {"parts": turns.system}
    _tools(chat, document, losses)
    generation: dict[str, Any] = {}
    _sampling(chat.sampling, generation, losses)
    if chat.choices != 1:
        generation["candidateCount"] = chat.choices
    _format(chat, generation)
    if chat.thinking is not None:
        thinking = _thinking(chat.thinking, losses, by_level=by_level)
        if thinking:
            generation["thinkingConfig"] = thinking
    if chat.modalities and chat.modalities != ("text",):
        generation["responseModalities"] = [each.upper() for each in chat.modalities]
    _labels(chat, document, losses)
    _extras(chat, document, generation, losses)
    if generation:
        document["generationConfig"] = generation
    path = with_model("/models/{model}:" + (f"{STREAM}?alt=sse" if chat.stream else GENERATE), name)
    return WireRequest(path=path, document=document)


def _tools(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    functions: list[dict[str, Any]] = []
    tools: list[dict[str, Any]] = []
    for tool in chat.tools:
        if tool.cache is not None:
            losses.always("cache_control")
        if tool.opaque is not None and tool.opaque.dialect == DIALECT_NAME:
            tools.append(tool.opaque.document)
        elif tool.opaque is not None:
            losses.lose("tools", f"this provider does not have the tool '{tool.opaque.kind}'")
        elif tool.custom:
            losses.lose("tools", "this provider has no tools that take free text")
        else:
            functions.append(_function(tool))
    if functions:
        tools.insert(0, {"functionDeclarations": functions})
    if not tools:
        return
    document["tools"] = tools
    if chat.tool_choice is not None:
        document["toolConfig"] = {"functionCallingConfig": _choice(chat.tool_choice)}
    if chat.parallel_tools is False:
        losses.lose("parallel_tools")


def _function(tool: Tool) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": tool.name}
    if tool.description:
        declared["description"] = tool.description
    if tool.schema is not None:
        declared["parametersJsonSchema"] = tool.schema
    return declared


def _choice(choice: ToolChoice) -> dict[str, Any]:
    if choice.mode == "none" or not choice.names:
        return {"mode": {"auto": "AUTO", "none": "NONE", "required": "ANY"}[choice.mode]}
    # Names go with a mode that calls, or with one that may.
    return {"mode": "ANY" if choice.mode == "required" else "VALIDATED", "allowedFunctionNames": list(choice.names)}


def _sampling(sampling: Sampling, generation: dict[str, Any], losses: Losses) -> None:
    for name, written in _SAMPLING.items():
        if (value := getattr(sampling, name)) is not None:
            generation[written] = value
    for name in _NOT_HERE:
        if getattr(sampling, name) is not None:
            losses.lose(f"sampling.{name}")
    stop = sampling.stop
    if len(stop) > _MAX_STOP:
        losses.lose("sampling.stop", f"this provider takes at most {_MAX_STOP}")
    if stop:
        generation["stopSequences"] = list(stop[:_MAX_STOP])


def _format(chat: ChatRequest, generation: dict[str, Any]) -> None:
    wanted = chat.format
    if wanted is None:
        return
    generation["responseMimeType"] = "text/plain" if wanted.kind == "text" else "application/json"
    if wanted.schema is not None:
        generation["responseJsonSchema"] = wanted.schema


def _thinking(thinking: Thinking, losses: Losses, *, by_level: bool) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if thinking.visible is not None:
        config["includeThoughts"] = thinking.visible
    if thinking.budget_tokens is not None:
        config["thinkingBudget"] = thinking.budget_tokens
    elif thinking.effort is not None and by_level:
        config["thinkingLevel"] = _LEVELS[thinking.effort]
        if thinking.effort in ("none", "xhigh", "max"):
            losses.always("thinking.effort")
    elif thinking.effort is not None:
        config["thinkingBudget"] = _BUDGETS[thinking.effort]
    if thinking.summary:
        losses.always("thinking.summary")
    return config


def _labels(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    if chat.dialect == DIALECT_NAME:
        if chat.metadata:
            document["labels"] = chat.metadata
        if chat.store is not None:
            document["store"] = chat.store
    else:
        # One of Google's services refuses labels, and none keeps answers for us.
        if chat.metadata:
            losses.always("metadata")
        if chat.store:
            losses.always("store")
    if chat.user:
        losses.always("user")
    if chat.service_tier in _TIERS:
        document["serviceTier"] = chat.service_tier
    elif chat.service_tier:
        losses.always("service_tier")
    if chat.previous:
        losses.lose("previous")


def _extras(chat: ChatRequest, document: dict[str, Any], generation: dict[str, Any], losses: Losses) -> None:
    for name, value in chat.extras.items():
        if chat.dialect != DIALECT_NAME:
            (losses.always if name in _HARMLESS else losses.lose)(name)
        elif name.startswith(_CONFIG):
            generation[name.removeprefix(_CONFIG)] = value
        elif name.startswith(_TOOLS):
            document.setdefault("toolConfig", {})[name.removeprefix(_TOOLS)] = value
        else:
            document[name] = value
