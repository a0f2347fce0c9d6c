"""A request for a message read into :mod:`gateway.core.chat`: what stands beside the blocks; these are elsewhere."""

from __future__ import annotations

from typing import Any, cast

from gateway.core.chat import (
    ChatRequest,
    Effort,
    Opaque,
    OutputFormat,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    Turn,
)
from gateway.core.errors import MalformedRequest, ThreadUnsupported
from gateway.wire.anthropic_messages.chat_blocks import named_results, read_content
from gateway.wire.anthropic_messages.chat_pieces import read_cache
from gateway.wire.anthropic_messages.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

# Fields of the canonical form that have another name here.
NAMES = {
    "turns": "messages",
    "format": "output_config",
    "parallel_tools": "tool_choice",
    "thinking.effort": "output_config",
    "sampling.stop": "stop_sequences",
    "user": "metadata",
}
_READ = frozenset(
    (
        "model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice", "thinking", "output_config",
        "output_format", "metadata", "stop_sequences", "temperature", "top_p", "top_k", "service_tier",
    )
)  # fmt: skip
_EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})
_TOOL = frozenset({"type", "name", "description", "input_schema", "strict", "cache_control"})
_MODES = {"auto": "auto", "any": "required", "none": "none"}


def read_request(document: Any) -> ChatRequest:
    """Read a request: see :meth:`gateway.core.codec.ChatCodec.read_request`."""
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    if document.get("thread") is not None:
        # Never left out: the turns that follow would come without those before them.
        raise ThreadUnsupported("'thread' is not supported here: no other provider holds threads.", param="thread")
    extras = {name: value for name, value in document.items() if name not in _READ and value is not None}
    config = _object(document, "output_config")
    rest = {name: value for name, value in config.items() if name not in ("effort", "format") and value is not None}
    if rest:
        extras["output_config"] = rest
    metadata = _object(document, "metadata")
    choice = _object(document, "tool_choice")
    return ChatRequest(
        dialect=DIALECT_NAME,
        model=_text(document, "model"),
        turns=_turns(document),
        stream=document.get("stream") is True,
        tools=tuple(_tool(tool, f"tools[{at}]", extras) for at, tool in enumerate(_array(document, "tools"))),
        tool_choice=_tool_choice(choice) if choice else None,
        parallel_tools=False if choice.get("disable_parallel_tool_use") is True else None,
        format=_format(config.get("format") or document.get("output_format")),
        sampling=Sampling(
            max_tokens=_integer(document, "max_tokens"),
            temperature=_number(document, "temperature"),
            top_p=_number(document, "top_p"),
            top_k=_integer(document, "top_k"),
            stop=tuple(_texts(document, "stop_sequences")),
        ),
        thinking=_thinking(_object(document, "thinking"), config.get("effort"), extras),
        user=_text(metadata, "user_id"),
        metadata={name: value for name, value in metadata.items() if name != "user_id"},
        service_tier=_text(document, "service_tier"),
        extras=extras,
        names=NAMES,
    )


def _turns(document: dict[str, Any]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    names: dict[str, str] = {}
    system = document.get("system")
    if system is not None:
        parts = read_content(system, "system")
        if not all(isinstance(part, Text) for part in parts):
            raise _wrong("system", "text")
        if parts:
            turns.append(Turn(role="system", parts=tuple(parts)))
    for at, message in enumerate(_array(document, "messages")):
        role = message.get("role") if is_object(message) else None
        if not is_object(message) or role not in ("user", "assistant", "system"):
            raise _wrong(f"messages[{at}].role", "user, assistant or system")
        parts = read_content(message.get("content"), f"messages[{at}].content")
        turns.append(Turn(role=cast("Any", role), parts=tuple(named_results(iter(parts), names))))
    return tuple(turns)


def _tool(tool: Any, where: str, extras: dict[str, Any]) -> Tool:
    if not is_object(tool):
        raise _wrong(where, "an object")
    kind = tool.get("type")
    if kind is not None and kind != "custom":
        return Tool(opaque=Opaque(dialect=DIALECT_NAME, kind=str(kind), document=tool))
    name = _text(tool, "name")
    if not name:
        raise _wrong(f"{where}.name", "a string that is not empty")
    for field, value in tool.items():
        if field not in _TOOL and value is not None:
            extras[f"tools.{field}"] = value
    strict = tool.get("strict")
    return Tool(
        name=name,
        description=_text(tool, "description"),
        schema=tool.get("input_schema"),
        strict=strict if strict.__class__ is bool else None,
        cache=read_cache(tool),
    )


def _tool_choice(choice: dict[str, Any]) -> ToolChoice:
    kind = choice.get("type")
    if kind == "tool":
        name = _text(choice, "name")
        if not name:
            raise _wrong("tool_choice.name", "a string that is not empty")
        return ToolChoice(mode="required", names=(name,))
    mode = _MODES.get(kind) if is_text(kind) else None
    if mode is None:
        raise _wrong("tool_choice.type", "auto, any, tool or none")
    return ToolChoice(mode=cast("Any", mode))


def _format(wanted: Any) -> OutputFormat | None:
    if wanted is None:
        return None
    if not is_object(wanted) or wanted.get("type") != "json_schema" or not is_object(wanted.get("schema")):
        raise _wrong("output_config.format", "of type json_schema, with a schema")
    return OutputFormat(kind="schema", name=_text(wanted, "name"), schema=wanted["schema"], strict=True)


def _thinking(config: dict[str, Any], effort: Any, extras: dict[str, Any]) -> Thinking | None:
    if effort is not None and not (is_text(effort) and effort in _EFFORTS):
        raise _wrong("output_config.effort", "one of " + ", ".join(sorted(_EFFORTS)))
    said = cast("Effort | None", effort)
    kind = config.get("type")
    if not config:
        return None if said is None else Thinking(effort=said)
    if kind == "disabled":
        return Thinking(effort=said, budget_tokens=0)
    visible = config.get("display") != "omitted"
    if kind == "adaptive":
        return Thinking(effort=said, budget_tokens=-1, visible=visible)
    if kind == "enabled":
        budget = _integer(config, "budget_tokens")
        if budget is None or budget < 1:
            raise _wrong("thinking.budget_tokens", "an integer of at least 1")
        return Thinking(effort=said, budget_tokens=budget, visible=visible)
    extras["thinking"] = config
    return None if said is None else Thinking(effort=said)


def _wrong(where: str, wanted: str) -> MalformedRequest:
    return MalformedRequest(f"'{where}' must be {wanted}.", param=where)


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    if value is not None and not is_text(value):
        raise _wrong(name, "a string")
    return value or ""


def _texts(holder: dict[str, Any], name: str) -> list[str]:
    items = _array(holder, name)
    if not all(is_text(item) for item in items):
        raise _wrong(name, "an array of strings")
    return items


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
