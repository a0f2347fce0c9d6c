"""JSON as OpenAI's models read it: not always as it was sent."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.wire.shapes import is_array, is_object

# Of a schema for the answer these are not read; under the others, keys are names.
_UNREAD = frozenset(
    (
        *("additionalProperties", "required", "default", "format"),
        *("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"),
    )
)
_NAMING = frozenset(("properties", "$defs", "definitions"))
_MAX_DEPTH = 64


def parsed(text: str) -> Any:
    """What a JSON text says; the text itself where it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def dense(value: Any) -> str:
    """JSON without blanks; nothing where it is nested deeper than can be written."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return ""


def compact(text: str) -> str:
    """A JSON object without blanks; anything else as it is."""
    value = parsed(text)
    return (dense(value) if is_object(value) else "") or text


def spaced(value: Any, depth: int = 0) -> str:
    """JSON as Python writes it: blanks between, and each letter beyond ASCII escaped."""
    if depth > _MAX_DEPTH:
        return _ascii(dense(value))
    if is_object(value):
        return "{" + ", ".join(f"{spaced(key)}: {spaced(each, depth + 1)}" for key, each in value.items()) + "}"
    if is_array(value):
        return "[" + ", ".join(spaced(each, depth + 1) for each in value) + "]"
    return _ascii(dense(value))


def bare(schema: Any, depth: int = 0, *, names: bool = False) -> Any:
    """A schema for the answer, without what no model reads of it.

    Args:
        schema: Any part of one.
        depth: Of the part.
        names: The keys of this part are names.
    """
    if depth > _MAX_DEPTH:
        return None
    if is_array(schema):
        return [bare(each, depth + 1) for each in schema]
    if not is_object(schema):
        return schema
    return {
        key: bare(each, depth + 1, names=not names and key in _NAMING)
        for key, each in schema.items()
        if names or key not in _UNREAD
    }


def _ascii(text: str) -> str:
    return text if text.isascii() else "".join(char if char < "\x80" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
