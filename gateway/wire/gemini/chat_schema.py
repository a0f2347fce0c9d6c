"""Google's form of a schema, turned into JSON Schema: types in capitals, ``nullable``, numbers as strings."""

from __future__ import annotations

from typing import Any

from gateway.wire.gemini.spelling import read
from gateway.wire.shapes import is_array, is_object, is_text

_MAX_DEPTH = 64
_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
# Order of properties and an example say nothing of what is valid.
_LEFT_OUT = frozenset({"propertyOrdering", "property_ordering", "nullable", "example"})
_NAMES = {
    "any_of": "anyOf", "min_items": "minItems", "max_items": "maxItems", "min_length": "minLength",
    "max_length": "maxLength", "min_properties": "minProperties", "max_properties": "maxProperties",
}  # fmt: skip


def json_schema(schema: Any, depth: int = 0) -> Any:
    """Turn a schema of Google's into JSON Schema; what is one already stays as it is."""
    if not is_object(schema) or depth > _MAX_DEPTH:
        return schema
    turned: dict[str, Any] = {}
    for written, value in schema.items():
        name = _NAMES.get(written, written)
        if name in _LEFT_OUT:
            continue
        if name == "type" and is_text(value):
            turned[name] = value.lower()
        elif name == "properties" and is_object(value):
            turned[name] = {key: json_schema(item, depth + 1) for key, item in value.items()}
        elif name == "items":
            turned[name] = json_schema(value, depth + 1)
        elif name == "anyOf" and is_array(value):
            turned[name] = [json_schema(item, depth + 1) for item in value]
        elif name in _COUNTS and is_text(value) and value.isdecimal():
            turned[name] = int(value)
        else:
            turned[name] = value
    if read(schema, "nullable") is True and is_text(turned.get("type")):
        turned["type"] = [turned["type"], "null"]
    return turned
