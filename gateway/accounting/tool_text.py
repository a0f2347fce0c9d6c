"""Tool definitions as OpenAI's models read them: a namespace of TypeScript types, not the JSON that was sent.

The layout is not published. It was inferred from the prompt tokens that the API reported for many small requests, and
there are two: the one of ``tools``, and that of the older field ``functions``. What is written here is only counted.

Sources: https://hmarr.com/blog/counting-openai-tokens/ and https://github.com/hmarr/openai-chat-tokens (``functions``);
the counts in https://github.com/pamelafox/openai-messages-token-helper (``tools``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.core.chat import Tool
from gateway.wire.shapes import is_array, is_object, is_text

# A schema nests as deep as its author likes; what lies deeper is counted as any value.
_MAX_DEPTH = 16
# The older layout leaves out what is said of properties below the first level.
_DESCRIBED_INDENT = 2

Member = tuple[str, str]


def tool_text(tools: Iterable[Tool], *, legacy: bool = False) -> str:
    """Write the tools down.

    Args:
        tools: Those without a name, a provider's own, are left out.
        legacy: They came as ``functions``.
    """
    write = _legacy_object if legacy else _object
    lines = ["namespace functions {", ""]
    for tool in tools:
        if not tool.name:
            continue
        if tool.description:
            lines.append(f"// {tool.description}")
        schema = tool.schema
        taken = f"_: {write(schema, 0)}" if is_object(schema) and is_object(schema.get("properties")) else ""
        lines += [f"type {tool.name} = ({taken if _properties(schema) else ''}) => any;", ""]
    lines.append("} // namespace functions")
    return "\n".join(lines)


def _properties(schema: Any) -> Mapping[str, Any]:
    properties = schema.get("properties") if is_object(schema) else None
    return properties if is_object(properties) else {}


def _members(schema: Mapping[str, Any], write: Callable[[Any], str]) -> list[Member]:
    """What is said of each property, and its line."""
    required = schema.get("required")
    needed = {name for name in required if is_text(name)} if is_array(required) else set[str]()
    members: list[Member] = []
    for name, each in _properties(schema).items():
        said = each.get("description") if is_object(each) else None
        members.append((said if is_text(said) else "", f"{name}{'' if name in needed else '?'}: {write(each)}"))
    return members


def _object(schema: Mapping[str, Any], depth: int) -> str:
    """Braces around its members; on one line when nothing is said of any."""
    members = _members(schema, lambda each: _type(each, depth + 1, _object))
    if not any(said for said, _ in members):
        return "{ " + ", ".join(line for _, line in members) + " }"
    return "{\n" + "\n".join((f"// {said}\n" if said else "") + line + "," for said, line in members) + "\n}"


def _legacy_object(schema: Mapping[str, Any], depth: int) -> str:
    """Braces around its members, a line each, moved in by their depth."""
    indent = " " * (2 * depth)
    lines: list[str] = []
    for said, line in _members(schema, lambda each: _type(each, depth + 1, _legacy_object)):
        if said and len(indent) < _DESCRIBED_INDENT:
            lines.append(f"{indent}// {said}")
        lines.append(f"{indent}{line},")
    return "\n".join(["{", *lines, "}"])


def _type(schema: Any, depth: int, write: Callable[[Mapping[str, Any], int], str]) -> str:
    if not is_object(schema) or depth > _MAX_DEPTH:
        return "any"
    either = schema.get("anyOf")
    if is_array(either):
        return " | ".join(_type(each, depth + 1, write) for each in either)
    values, kind = schema.get("enum"), schema.get("type")
    if kind == "string":
        return " | ".join(f'"{value}"' for value in values) if is_array(values) else "string"
    if kind in {"number", "integer"}:
        return " | ".join(str(value) for value in values) if is_array(values) else "number"
    if kind in {"boolean", "null"}:
        return str(kind)
    if kind == "object":
        return write(schema, depth)
    if kind == "array":
        return f"{_type(schema['items'], depth + 1, write)}[]" if "items" in schema else "any[]"
    return "any"
