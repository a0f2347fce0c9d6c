"""A conversation written as a request."""

from __future__ import annotations

import re
from typing import Any

import orjson

from gateway.core.chat import ChatRequest, OutputFormat, Tool, ToolCall, ToolResult
from gateway.core.codec import WireRequest
from gateway.core.losses import Losses
from gateway.wire.bedrock_converse.chat_thinking import ThinkingWriter
from gateway.wire.bedrock_converse.chat_turns_writer import TurnsWriter
from gateway.wire.bedrock_converse.paths import CONVERSE, CONVERSE_STREAM
from gateway.wire.bedrock_converse.request import DIALECT_NAME
from gateway.wire.bedrock_converse.usage import TIERS
from gateway.wire.shapes import is_object, is_text

_LABEL = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_MAX_LABELS = 16
_HARMLESS = frozenset(
    {
        "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "cache_control", "verbosity",
        "performanceConfig", "projectIdentifier", "anthropic_beta",
    }
)  # fmt: skip
# What others can do, and the value that does nothing.
_IDLE: dict[str, Any] = {
    "min_p": 0, "frequency_penalty": 0, "presence_penalty": 0, "repetition_penalty": 1, "seed": None, "logprobs": False,
    "top_logprobs": 0, "logit_bias": {},
}  # fmt: skip
_NESTED = ("outputConfig", "additionalModelRequestFields")


def write_request(chat: ChatRequest, model: str, losses: Losses) -> WireRequest:
    """Write a request: see :meth:`gateway.core.codec.ChatCodec.write_request`."""
    name = model or chat.model
    own = chat.dialect == DIALECT_NAME
    document: dict[str, Any] = {}
    turns = TurnsWriter(name, losses, own=own)
    turns.write(chat.turns)
    if turns.system:
        document["system"] = turns.system
    document["messages"] = turns.messages
    _tools(chat, turns, document, losses)
    held = {each: dict(chat.extras.get(each, {})) if own else {} for each in _NESTED}
    output, more = (held[each] for each in _NESTED)
    config: dict[str, Any] = {}
    _sampling(chat, name, config, more, losses)
    if chat.format is not None:
        _format(chat.format, output, losses)
    if chat.thinking is not None:
        ThinkingWriter(chat, name, losses).write(chat.thinking, more, config, output)
    nested = (("inferenceConfig", config), ("outputConfig", output), (_NESTED[1], more))
    document |= {field: value for field, value in nested if value}
    _labels(chat, document, losses)
    _extras(chat, document, losses)
    method = CONVERSE_STREAM if chat.stream else CONVERSE
    return WireRequest(path=f"/model/{{modelId}}/{method}", document=document)


def _tools(chat: ChatRequest, turns: TurnsWriter, document: dict[str, Any], losses: Losses) -> None:
    choice = chat.tool_choice
    # Which tools may be used is said by offering no others, where it is not one that must be.
    only = set(choice.names) if choice and (len(choice.names) > 1 or choice.mode == "auto") else set[str]()
    offered = [tool for tool in chat.tools if not only or tool.opaque is not None or tool.name in only]
    if choice is not None and choice.mode == "none":
        if _speaks_of_tools(chat):
            losses.lose("tool_choice", "this provider must be told of the tools that were used, and then offers them")
        else:
            offered = []
    written: list[dict[str, Any]] = []
    for tool in offered:
        if (spec := _tool(tool, losses)) is not None:
            written += [spec, *turns.mark(tool.cache)]
    if not written:
        return
    config: dict[str, Any] = {"tools": written}
    if choice is not None and choice.mode == "required":
        config["toolChoice"] = {"any": {}}
        if len(choice.names) == 1:
            config["toolChoice"] = {"tool": {"name": choice.names[0]}}
    elif choice is not None and choice.mode == "auto":
        config["toolChoice"] = {"auto": {}}
    if chat.parallel_tools is False:
        losses.lose("parallel_tools", "this provider cannot be told to call one tool at a time")
    document["toolConfig"] = config


def _speaks_of_tools(chat: ChatRequest) -> bool:
    return any(isinstance(part, (ToolCall, ToolResult)) for turn in chat.turns for part in turn.parts)


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
    spec: dict[str, Any] = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": schema if "type" in schema else {"type": "object", **schema}}
    if tool.strict:
        spec["strict"] = True
    return {"toolSpec": spec}


def _format(wanted: OutputFormat, output: dict[str, Any], losses: Losses) -> None:
    if wanted.kind == "text":
        return
    if wanted.kind != "schema" or wanted.schema is None:
        losses.lose("format", "this provider must be told the schema of the JSON that is wanted")
        return
    form = {"schema": orjson.dumps(wanted.schema).decode()}
    form |= {name: value for name, value in (("name", wanted.name), ("description", wanted.description)) if value}
    output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": form}}


def _sampling(chat: ChatRequest, model: str, config: dict[str, Any], more: dict[str, Any], losses: Losses) -> None:
    sampling = chat.sampling
    if sampling.max_tokens is not None:
        config["maxTokens"] = sampling.max_tokens
    if (warm := sampling.temperature) is not None:
        if warm > 1 and chat.dialect != DIALECT_NAME:
            losses.lose("sampling.temperature", "this provider takes at most 1")
        else:
            config["temperature"] = warm
    if sampling.top_p is not None:
        config["topP"] = sampling.top_p
    if sampling.stop:
        config["stopSequences"] = list(sampling.stop)
    if sampling.top_k is not None:
        if "nova" in model and chat.dialect != DIALECT_NAME:
            more["inferenceConfig"] = {"topK": sampling.top_k}
        else:
            more["top_k"] = sampling.top_k
    _idle(chat, losses)


def _idle(chat: ChatRequest, losses: Losses) -> None:
    for name, idle in _IDLE.items():
        value = getattr(chat.sampling, name)
        if value is not None and value != idle:
            losses.lose(f"sampling.{name}")
    if chat.choices != 1:
        losses.lose("choices", "this provider gives one answer")


def _labels(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    if chat.user:
        losses.always("user")
    if chat.metadata:
        if chat.dialect == DIALECT_NAME or _are_labels(chat.metadata):
            document["requestMetadata"] = chat.metadata
        else:
            losses.always("metadata")
    if chat.service_tier in TIERS:
        document["serviceTier"] = {"type": chat.service_tier}
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


def _are_labels(metadata: dict[str, Any]) -> bool:
    return len(metadata) <= _MAX_LABELS and all(
        is_text(value) and _LABEL.fullmatch(value) is not None and _LABEL.fullmatch(name) is not None and name != ""
        for name, value in metadata.items()
    )


def _extras(chat: ChatRequest, document: dict[str, Any], losses: Losses) -> None:
    for name, value in chat.extras.items():
        if chat.dialect == DIALECT_NAME:
            if not name.startswith("toolSpec.") and name not in _NESTED:
                document[name] = value
        elif name in _HARMLESS:
            losses.always(name)
        else:
            losses.lose(name)
