"""Tool definitions as OpenAI's models read them: a namespace of TypeScript types, not the JSON that was sent.

The layout is not published. It was inferred from the prompt tokens that the API reported for many small requests, and
there are two: the one of ``tools``, and that of the older field ``functions``. What is written here is only counted.

Sources: https://hmarr.com/blog/counting-openai-tokens/ and https://github.com/hmarr/openai-chat-tokens (``functions``);
the counts in https://github.com/pamelafox/openai-messages-token-helper, https://github.com/openai/harmony (how OpenAI's
open models are told of tools), and what ``python -m loadtests.token_counts`` finds (``tools``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gateway.accounting.json_text import dense
from gateway.core.chat import Tool
from gateway.wire.shapes import is_array, is_object, is_text

# A schema nests as deep as its author likes; what lies deeper is counted as any value.
_MAX_DEPTH = 16
_MAX_PARTS = 100
_STEP = "\n    "
# The older layout leaves out what is said of properties below the first level.
_DESCRIBED_INDENT = 2


def tool_text(tools: Iterable[Tool], *, legacy: bool = False) -> str:
    """Write the tools down.

    Args:
        tools: Those without a name, a provider's own, are left out.
        legacy: They came as ``functions``.
    """
    lines = ["namespace functions {", ""]
    for tool in tools:
        if tool.name:
            if tool.description:
                lines.append(f"// {tool.description if legacy else _flush(tool.description)}")
            lines += [f"type {tool.name} = ({_argument(tool, legacy=legacy)}) => any;", ""]
    lines.append("} // namespace functions")
    return "\n".join(lines)


def _argument(tool: Tool, *, legacy: bool) -> str:
    schema = tool.schema
    if not _properties(schema):
        return ""
    if legacy:
        return f"_: {_legacy_object(schema, 0)}"
    parts = schema.get("$defs")
    if is_object(parts):
        schema = _Parts(parts).placed(schema)
    # What is said of the whole stands in front of its brace.
    return "".join(["_: ", *(f"{line}\n" for line in _said(schema, spaced=True)), _object(schema, 0)])


class _Parts:
    """What a schema's properties refer to, put in their places.

    Args:
        parts: By name.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._parts = parts
        # Parts may refer to themselves, or to others many times over.
        self._left = _MAX_PARTS

    def placed(self, schema: Any, depth: int = 0) -> Any:
        """A schema with its parts."""
        if not is_object(schema) or depth > _MAX_DEPTH:
            return schema
        name = schema.get("$ref")
        if is_text(name):
            found = self._parts.get(name.rpartition("/")[2])
            self._left -= 1
            return self.placed(found, depth + 1) if self._left >= 0 and is_object(found) else schema
        whole = dict(schema)
        if members := _properties(schema):
            whole["properties"] = {key: self.placed(each, depth + 1) for key, each in members.items()}
        if "items" in schema:
            whole["items"] = self.placed(schema["items"], depth + 1)
        either = schema.get("anyOf")
        if is_array(either):
            whole["anyOf"] = [self.placed(each, depth + 1) for each in either]
        return whole


def _flush(text: str) -> str:
    """A text whose lines are moved in by one step less."""
    return text.replace(_STEP, "\n")


def _properties(schema: Any) -> Mapping[str, Any]:
    properties = schema.get("properties") if is_object(schema) else None
    return properties if is_object(properties) else {}


def _members(schema: Mapping[str, Any], write: Callable[[Any], str]) -> Iterator[tuple[Any, str]]:
    """Each property, and its line."""
    required = schema.get("required")
    needed = {name for name in required if is_text(name)} if is_array(required) else set[str]()
    for name, each in _properties(schema).items():
        yield each, f"{name}{'' if name in needed else '?'}: {write(each)}"


def _said(schema: Any, *, spaced: bool = False) -> list[str]:
    """The lines that are said of a schema."""
    if not is_object(schema):
        return []
    title, description = schema.get("title"), schema.get("description")
    lines = [f"// {title}"] if is_text(title) and title else []
    if is_text(description) and description:
        lines += ["//"] * bool(lines) + [f"// {_flush(description)}"]
    elif spaced and lines:
        lines.append("//")
    return lines


def _default(schema: Any) -> str:
    """What is said behind a property's line."""
    if not is_object(schema) or "default" not in schema:
        return ""
    value = schema["default"]
    return f" // default: {value if is_text(value) and 'enum' in schema else dense(value)}"


def _object(schema: Mapping[str, Any], depth: int) -> str:
    """Braces around its members; on one line when nothing is said of any."""
    members = list(_members(schema, lambda each: _type(each, depth + 1, _object)))
    said = [_said(each) for each, _ in members]
    if not any(said):
        return "{ " + ", ".join(line for _, line in members) + " }"
    lines = ["{"]
    for above, (each, line) in zip(said, members, strict=True):
        lines += [*above, f"{line},{_default(each)}"]
    return "\n".join([*lines, "}"])


def _legacy_object(schema: Mapping[str, Any], depth: int) -> str:
    """Braces around its members, a line each, moved in by their depth."""
    indent = " " * (2 * depth)
    lines: list[str] = []
    for each, line in _members(schema, lambda each: _type(each, depth + 1, _legacy_object)):
        said = each.get("description") if is_object(each) else None
        if is_text(said) and said and len(indent) < _DESCRIBED_INDENT:
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
    if is_array(kind):
        return " | ".join(_type({**schema, "type": each}, depth + 1, write) for each in kind if is_text(each))
    if not is_text(kind):
        return "any"
    if kind == "string":
        return " | ".join(f'"{value}"' for value in values) if is_array(values) else "string"
    if kind in {"number", "integer"}:
        return " | ".join(str(value) for value in values) if is_array(values) else "number"
    if kind in {"boolean", "null"}:
        return str(kind)
    if kind == "object":
        return write(schema, depth)
    if kind == "array":
        items = schema.get("items")
        above = "" if write is _legacy_object else "".join(f"{line}\n" for line in _said(items, spaced=True))
        return f"{above if is_object(items) and _properties(items) else ''}{_type(items, depth + 1, write)}[]"
    return "any"
