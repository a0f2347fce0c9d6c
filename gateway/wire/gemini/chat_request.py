"""A request read into :mod:`gateway.core.chat`: what stands beside the contents; these are in ``chat_turns``."""

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
from gateway.wire.gemini import paths
from gateway.wire.gemini.chat_pieces import text_of
from gateway.wire.gemini.chat_schema import json_schema
from gateway.wire.gemini.chat_turns import read_system, read_turns
from gateway.wire.gemini.request import DIALECT_NAME
from gateway.wire.gemini.spelling import listed, read, snake
from gateway.wire.shapes import is_integer, is_object, is_text

# Fields of the canonical form, as clients of this dialect know them.
_NAMES = {
    "turns": "contents",
    "messages": "contents",
    "choices": "generationConfig.candidateCount",
    "format": "generationConfig.responseSchema",
    "tool_choice": "toolConfig",
    "thinking": "generationConfig.thinkingConfig",
    "thinking.effort": "generationConfig.thinkingConfig.thinkingLevel",
    "thinking.budget_tokens": "generationConfig.thinkingConfig.thinkingBudget",
    "modalities": "generationConfig.responseModalities",
    "sampling.max_tokens": "generationConfig.maxOutputTokens",
    "sampling.temperature": "generationConfig.temperature",
    "sampling.top_p": "generationConfig.topP",
    "sampling.top_k": "generationConfig.topK",
    "sampling.frequency_penalty": "generationConfig.frequencyPenalty",
    "sampling.presence_penalty": "generationConfig.presencePenalty",
    "sampling.seed": "generationConfig.seed",
    "sampling.stop": "generationConfig.stopSequences",
    "sampling.logprobs": "generationConfig.responseLogprobs",
    "sampling.top_logprobs": "generationConfig.logprobs",
    "service_tier": "serviceTier",
    "metadata": "labels",
}
_READ = ("model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "labels", "serviceTier",
         "store")  # fmt: skip
_CONFIG = "generationConfig"
_GENERATION = (
    "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "responseMimeType",
    "responseSchema", "responseJsonSchema", "presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs",
    "seed", "thinkingConfig", "responseModalities",
)  # fmt: skip
_EFFORTS = frozenset({"minimal", "low", "medium", "high", "xhigh"})
_MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto", "MODE_UNSPECIFIED": "auto"}


def read_request(document: dict[str, Any], path: str) -> ChatRequest:
    """Read a request: see :meth:`gateway.core.codec.ChatCodec.read_request`."""
    target = paths.find(path.partition("?")[0], "POST")
    generation = _object(document, _CONFIG)
    service_tier = text_of(document, "serviceTier")
    return ChatRequest(
        dialect=DIALECT_NAME,
        model=target.model if target is not None else "",
        turns=(*read_system(read(document, "systemInstruction")), *read_turns(document.get("contents"))),
        stream=target is not None and target.method == paths.STREAM,
        choices=_integer(generation, "candidateCount") or 1,
        tools=tuple(_tools(document)),
        tool_choice=_tool_choice(read(document, "toolConfig")),
        format=_format(generation),
        sampling=_sampling(generation),
        thinking=_thinking(read(generation, "thinkingConfig")),
        metadata=_object(document, "labels"),
        service_tier="" if service_tier == "unspecified" else service_tier,
        store=_flag(document, "store"),
        modalities=tuple(str(each).lower() for each in listed(read(generation, "responseModalities"))),
        extras=_extras(document, generation),
        names=dict(_NAMES),
    )


def _extras(document: dict[str, Any], generation: dict[str, Any]) -> dict[str, Any]:
    known = {*_READ, *map(snake, _READ)}
    extras = {name: value for name, value in document.items() if name not in known and value is not None}
    told = {*_GENERATION, *map(snake, _GENERATION)}
    extras |= {f"{_CONFIG}.{n}": v for n, v in generation.items() if n not in told and v is not None}
    if is_object(config := read(document, "toolConfig")):
        calling = ("functionCallingConfig", "function_calling_config")
        extras |= {f"toolConfig.{n}": v for n, v in config.items() if n not in calling and v is not None}
    mime = text_of(generation, "responseMimeType")
    if mime not in ("", "text/plain", "application/json"):
        extras[f"{_CONFIG}.responseMimeType"] = mime
    return extras


def _sampling(generation: dict[str, Any]) -> Sampling:
    top_k = _number(generation, "topK")
    stop = listed(read(generation, "stopSequences"))
    if not all(is_text(word) for word in stop):
        raise _wrong(f"{_CONFIG}.stopSequences", "an array of strings")
    return Sampling(
        max_tokens=_integer(generation, "maxOutputTokens"),
        temperature=_number(generation, "temperature"),
        top_p=_number(generation, "topP"),
        top_k=None if top_k is None else int(top_k),
        frequency_penalty=_number(generation, "frequencyPenalty"),
        presence_penalty=_number(generation, "presencePenalty"),
        seed=_integer(generation, "seed"),
        stop=tuple(stop),
        logprobs=_flag(generation, "responseLogprobs"),
        top_logprobs=_integer(generation, "logprobs"),
    )


def _format(generation: dict[str, Any]) -> OutputFormat | None:
    schema = read(generation, "responseJsonSchema")
    if schema is None and (own := read(generation, "responseSchema")) is not None:
        schema = json_schema(own)
    if schema is not None:
        return OutputFormat(kind="schema", schema=schema)
    mime = text_of(generation, "responseMimeType")
    return {"application/json": OutputFormat(kind="json"), "text/plain": OutputFormat()}.get(mime)


def _thinking(config: Any) -> Thinking | None:
    if config is None:
        return None
    if not is_object(config):
        raise _wrong(f"{_CONFIG}.thinkingConfig", "an object")
    level = text_of(config, "thinkingLevel").lower()
    return Thinking(
        effort=cast("Effort", level) if level in _EFFORTS else None,
        budget_tokens=_integer(config, "thinkingBudget"),
        visible=_flag(config, "includeThoughts"),
    )


def _tools(document: dict[str, Any]) -> list[Tool]:
    tools: list[Tool] = []
    for at, tool in enumerate(listed(document.get("tools"))):
        if not is_object(tool):
            raise _wrong(f"tools[{at}]", "an object")
        for name, value in tool.items():
            if name in ("functionDeclarations", "function_declarations"):
                tools += [_function(each, f"tools[{at}].functionDeclarations") for each in listed(value)]
            elif value is not None:
                tools.append(Tool(opaque=Opaque(dialect=DIALECT_NAME, kind=name, document={name: value})))
    return tools


def _function(declared: Any, where: str) -> Tool:
    name = text_of(declared, "name") if is_object(declared) else ""
    if not name:
        raise _wrong(where, "objects that name a function")
    schema = read(declared, "parametersJsonSchema")
    if schema is None:
        schema = json_schema(declared.get("parameters"))
    return Tool(name=name, description=text_of(declared, "description"), schema=schema)


def _tool_choice(config: Any) -> ToolChoice | None:
    calling = read(config, "functionCallingConfig")
    if not is_object(calling):
        return None
    mode = _MODES.get(text_of(calling, "mode") or "AUTO")
    names = listed(read(calling, "allowedFunctionNames"))
    if mode is None or not all(is_text(name) for name in names):
        raise _wrong("toolConfig.functionCallingConfig", "a mode and names of functions")
    return ToolChoice(mode=cast("Any", mode), names=tuple(names))


def _wrong(where: str, wanted: str) -> MalformedRequest:
    return MalformedRequest(f"'{where}' must be {wanted}.", param=where)


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = read(holder, name)
    if value is not None and not is_object(value):
        raise _wrong(name, "an object")
    return value or {}


def _flag(holder: dict[str, Any], name: str) -> bool | None:
    value = read(holder, name)
    if value is not None and value.__class__ is not bool:
        raise _wrong(name, "true or false")
    return value


def _integer(holder: dict[str, Any], name: str) -> int | None:
    value = read(holder, name)
    if value is not None and not is_integer(value):
        raise _wrong(name, "an integer")
    return value


def _number(holder: dict[str, Any], name: str) -> float | None:
    value = read(holder, name)
    if value is not None and value.__class__ not in (int, float):
        raise _wrong(name, "a number")
    return value
