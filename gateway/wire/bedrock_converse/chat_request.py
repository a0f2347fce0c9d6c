"""A request read into :mod:`gateway.core.chat`: what stands beside the blocks; these are elsewhere."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import orjson

from gateway.core.chat import (
    ChatRequest,
    Effort,
    Opaque,
    OutputFormat,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from gateway.core.errors import MalformedRequest
from gateway.wire.bedrock_converse.chat_blocks import needed, read_content, wrong
from gateway.wire.bedrock_converse.chat_pieces import read_cache, text_of
from gateway.wire.bedrock_converse.paths import find
from gateway.wire.bedrock_converse.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

_EXTRA = "additionalModelRequestFields"
# Fields of the canonical form that have another name here.
NAMES = {
    "turns": "messages",
    "format": "outputConfig.textFormat",
    "thinking": _EXTRA,
    "sampling.max_tokens": "inferenceConfig.maxTokens",
    "sampling.temperature": "inferenceConfig.temperature",
    "sampling.top_p": "inferenceConfig.topP",
    "sampling.stop": "inferenceConfig.stopSequences",
    "sampling.top_k": f"{_EXTRA}.top_k",
    "tools": "toolConfig.tools",
    "tool_choice": "toolConfig.toolChoice",
    "metadata": "requestMetadata",
    "service_tier": "serviceTier",
}
_READ = frozenset(
    ("messages", "system", "inferenceConfig", "toolConfig", "requestMetadata", "serviceTier", "outputConfig", _EXTRA)
)
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
_SPEC = frozenset({"name", "description", "inputSchema", "strict"})


def read_request(document: Any, path: str) -> ChatRequest:
    """Read a request: see :meth:`gateway.core.codec.ChatCodec.read_request`."""
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    target = find(path.partition("?")[0])
    extras = {name: value for name, value in document.items() if name not in _READ and value is not None}
    config, more = _object(document, "inferenceConfig"), dict(_object(document, _EXTRA))
    output = dict(_object(document, "outputConfig"))
    thinking = _thinking(more, output)
    sampling = _sampling(config, more)
    form = _format(output.pop("textFormat", None))
    extras |= {name: rest for name, rest in ((_EXTRA, more), ("outputConfig", output)) if rest}
    tools = _object(document, "toolConfig")
    choice = _object(tools, "toolChoice")
    return ChatRequest(
        dialect=DIALECT_NAME,
        model="" if target is None else target.model,
        turns=_turns(document),
        stream=target is not None and target.stream,
        tools=tuple(_tools(_array(tools, "tools"), extras)),
        tool_choice=_tool_choice(choice) if choice else None,
        format=form,
        sampling=sampling,
        thinking=thinking,
        metadata=_object(document, "requestMetadata"),
        service_tier=text_of(_object(document, "serviceTier"), "type"),
        extras=extras,
        names=NAMES,
    )


def _turns(document: dict[str, Any]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    names: dict[str, str] = {}
    if _array(document, "system"):
        parts = read_content(document["system"], "system")
        if not any(isinstance(part, Text) for part in parts):
            raise wrong("system", "text")
        turns.append(Turn(role="system", parts=tuple(parts)))
    for at, message in enumerate(_array(document, "messages")):
        role = message.get("role") if is_object(message) else None
        if not is_object(message) or role not in ("user", "assistant", "system"):
            raise wrong(f"messages[{at}].role", "user, assistant or system")
        parts = read_content(message.get("content"), f"messages[{at}].content")
        for place, part in enumerate(parts):
            if isinstance(part, ToolCall):
                names[part.id] = part.name
            elif isinstance(part, ToolResult):
                parts[place] = msgspec.structs.replace(part, name=names.get(part.call_id, ""))
        turns.append(Turn(role=cast("Any", role), parts=tuple(parts)))
    return tuple(turns)


def _tools(tools: list[Any], extras: dict[str, Any]) -> list[Tool]:
    read: list[Tool] = []
    for at, tool in enumerate(tools):
        where = f"toolConfig.tools[{at}]"
        if not is_object(tool) or not tool:
            raise wrong(where, "an object with one field")
        spec = tool.get("toolSpec")
        if "cachePoint" in tool and read:
            read[-1] = msgspec.structs.replace(read[-1], cache=read_cache(tool["cachePoint"]))
        elif is_object(spec):
            read.append(_spec(spec, f"{where}.toolSpec", extras))
        else:
            kind = text_of(tool.get("systemTool") or {}, "name") or next(iter(tool))
            read.append(Tool(opaque=Opaque(dialect=DIALECT_NAME, kind=kind, document=tool)))
    return read


def _spec(spec: dict[str, Any], where: str, extras: dict[str, Any]) -> Tool:
    for field, value in spec.items():
        if field not in _SPEC and value is not None:
            extras[f"toolSpec.{field}"] = value
    schema = spec.get("inputSchema")
    if schema is not None and not is_object(schema):
        raise wrong(f"{where}.inputSchema", "an object")
    strict = spec.get("strict")
    return Tool(
        name=needed(spec, "name", where),
        description=text_of(spec, "description"),
        schema=(schema or {}).get("json"),
        strict=strict if strict.__class__ is bool else None,
    )


def _tool_choice(choice: dict[str, Any]) -> ToolChoice:
    named = choice.get("tool")
    if is_object(named):
        return ToolChoice(mode="required", names=(needed(named, "name", "toolConfig.toolChoice.tool"),))
    if "any" in choice:
        return ToolChoice(mode="required")
    if "auto" in choice:
        return ToolChoice()
    raise wrong("toolConfig.toolChoice", "auto, any or tool")


def _sampling(config: dict[str, Any], more: dict[str, Any]) -> Sampling:
    stop = _array(config, "stopSequences")
    if not all(is_text(each) for each in stop):
        raise wrong("inferenceConfig.stopSequences", "an array of strings")
    limit = config.get("maxTokens")
    if limit is not None and not is_integer(limit):
        raise wrong("inferenceConfig.maxTokens", "an integer")
    # What the models themselves take, under the name that most of them have for it.
    top_k = more.pop("top_k") if more.get("top_k").__class__ in (int, float) else None
    return Sampling(
        max_tokens=limit,
        temperature=_number(config, "temperature"),
        top_p=_number(config, "topP"),
        top_k=top_k,
        stop=tuple(stop),
    )


def _thinking(more: dict[str, Any], output: dict[str, Any]) -> Thinking | None:
    """Take what says how much a model is to think out of the models' own fields."""
    said = output.pop("effort", None) or more.pop("reasoning_effort", None)
    if said is not None and not (is_text(said) and said in _EFFORTS):
        raise wrong("outputConfig.effort", "one of " + ", ".join(sorted(_EFFORTS)))
    effort = cast("Effort | None", said)
    own = more.get("reasoningConfig")
    if is_object(own) and own.get("type") in ("enabled", "disabled"):
        # Of Amazon's models.
        more["thinking"] = {"type": "disabled" if own["type"] == "disabled" else "adaptive"}
        del more["reasoningConfig"]
        said = own.get("maxReasoningEffort", said)
        if said is not None and not (is_text(said) and said in _EFFORTS):
            raise wrong(f"{_EXTRA}.reasoningConfig.maxReasoningEffort", "low, medium or high")
        effort = cast("Effort | None", said)
    config = more.get("thinking")
    kind = config.get("type") if is_object(config) else None
    if not is_object(config) or kind not in ("enabled", "disabled", "adaptive"):
        return None if effort is None else Thinking(effort=effort)
    del more["thinking"]
    if kind == "disabled":
        return Thinking(effort=effort, budget_tokens=0)
    budget = config.get("budget_tokens")
    if kind == "enabled" and not (is_integer(budget) and budget > 0):
        raise wrong(f"{_EXTRA}.thinking.budget_tokens", "an integer of at least 1")
    return Thinking(effort=effort, budget_tokens=budget if kind == "enabled" else -1)


def _format(wanted: Any) -> OutputFormat | None:
    if wanted is None:
        return None
    structure = wanted.get("structure") if is_object(wanted) else None
    form = structure.get("jsonSchema") if is_object(structure) else None
    if not is_object(form):
        raise wrong("outputConfig.textFormat", "of type json_schema, with a schema")
    try:
        schema = orjson.loads(text_of(form, "schema"))
    except orjson.JSONDecodeError:
        raise wrong("outputConfig.textFormat.structure.jsonSchema.schema", "JSON in a string") from None
    return OutputFormat(
        kind="schema",
        name=text_of(form, "name"),
        description=text_of(form, "description"),
        schema=schema,
        strict=True,
    )


def _array(holder: dict[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    if value is not None and not is_array(value):
        raise wrong(name, "an array")
    return value or []


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    if value is not None and not is_object(value):
        raise wrong(name, "an object")
    return value or {}


def _number(holder: dict[str, Any], name: str) -> float | None:
    value = holder.get(name)
    if value is not None and value.__class__ not in (int, float):
        raise wrong(f"inferenceConfig.{name}", "a number")
    return value
