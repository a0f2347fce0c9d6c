"""Items read as the turns of a conversation: what the model said, thought and called in a row is one turn."""

from __future__ import annotations

from typing import Any, cast

from gateway.core.chat import Media, Opaque, Part, Reasoning, Role, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.wire.openai_responses.chat_pieces import read_content, text_of
from gateway.wire.openai_responses.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_object, is_text

_ROLES = ("system", "developer", "user", "assistant")
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


def read_turns(instructions: Any, given: Any) -> tuple[Turn, ...]:
    """Read what was said so far.

    Raises:
        MalformedRequest: An item is not what it says it is.
        UnsupportedField: An item is named only, and kept by another provider.
    """
    turns: list[Turn] = []
    for items, who, where in ((instructions, "system", "instructions"), (given, "user", "input")):
        if is_text(items):
            turns.append(Turn(role=cast("Role", who), parts=(Text(text=items),)))
        for at, item in enumerate(items if is_array(items) else ()):
            if not is_object(item):
                raise MalformedRequest(f"'{where}[{at}]' must be an object.", param=f"{where}[{at}]")
            _add(turns, *_item(item, f"{where}[{at}]", cast("Role", who)))
    return _named(turns)


def _add(turns: list[Turn], role: Role, parts: tuple[Part, ...]) -> None:
    if role == "assistant" and turns and turns[-1].role == "assistant":
        turns[-1] = Turn(role=role, parts=(*turns[-1].parts, *parts))
    else:
        turns.append(Turn(role=role, parts=parts))


def _item(item: dict[str, Any], where: str, who: Role) -> tuple[Role, tuple[Part, ...]]:
    kind = item.get("type", "message")
    if not is_text(kind):
        raise MalformedRequest(f"'{where}.type' must be a string.", param=f"{where}.type")
    if kind == "message":
        role = item.get("role", who)
        if role not in _ROLES:
            raise MalformedRequest(f"'{where}.role' must be one of {', '.join(_ROLES)}.", param=f"{where}.role")
        return role, tuple(read_content(item.get("content")))
    if kind in _RESULTS:
        parts = [part for part in read_content(item.get("output")) if isinstance(part, (Text, Media))]
        return "tool", (ToolResult(call_id=text_of(item, "call_id"), parts=tuple(parts), name=text_of(item, "name")),)
    if kind in _CALLS or kind == "reasoning":
        return "assistant", read_model_item(item)
    if kind == "item_reference":
        raise UnsupportedField(f"'{where}' refers to an item that this provider does not keep.", param=where)
    opaque = Opaque(dialect=DIALECT_NAME, kind=kind, document=item)
    return ("tool" if kind.endswith("_output") else "assistant"), (opaque,)


def read_model_item(item: dict[str, Any]) -> tuple[Part, ...]:
    """Read an item of what a model has made: also of an answer."""
    kind = item.get("type")
    if kind == "message":
        return tuple(read_content(item.get("content")))
    if is_text(kind) and kind in _CALLS:
        return (
            ToolCall(
                id=text_of(item, "call_id") or text_of(item, "id"),
                name=text_of(item, "name"),
                arguments=text_of(item, _CALLS[kind]),
                custom=kind == "custom_tool_call",
            ),
        )
    if kind == "reasoning":
        return _thoughts(item)
    return (Opaque(dialect=DIALECT_NAME, kind=str(kind), document=item),)


def _thoughts(item: dict[str, Any]) -> tuple[Reasoning, ...]:
    named: dict[str, Any] = {"id": text_of(item, "id"), "origin": DIALECT_NAME}
    texts: list[tuple[str, bool]] = []
    for name in ("summary", "content"):
        held = item.get(name)
        texts += [(text_of(part, "text"), name == "summary") for part in _objects(held)]
    sealed = text_of(item, "encrypted_content")
    thoughts = [Reasoning(text=text, summary=summary, **named) for text, summary in texts]
    if sealed or not thoughts:
        thoughts.append(Reasoning(encrypted=sealed, summary=True, **named))
    return tuple(thoughts)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if is_object(item)] if is_array(value) else []


def _named(turns: list[Turn]) -> tuple[Turn, ...]:
    """Fill in the tool of results, by the call that they answer."""
    names = {part.id: part.name for turn in turns for part in turn.parts if isinstance(part, ToolCall)}
    return tuple(
        Turn(
            role=turn.role,
            parts=tuple(
                ToolResult(call_id=part.call_id, parts=part.parts, name=part.name or names.get(part.call_id, ""))
                if isinstance(part, ToolResult)
                else part
                for part in turn.parts
            ),
        )
        for turn in turns
    )
