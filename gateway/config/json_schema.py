"""JSON Schema of the files that people edit, as an editor shows it: defaults in the words of the file, no noise."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from gateway.config.addresses import Address
from gateway.core.verdict import Globs


class _Generator(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        """Write an address as the file does; no globs are no default worth showing."""
        if isinstance(dft, Globs):
            return None
        return str(dft) if isinstance(dft, Address) else super().encode_default(dft)


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Describe what a file may hold.

    Args:
        model: The model of the whole file.
    """
    schema = model.model_json_schema(schema_generator=_Generator)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_tidied(schema)}


def _tidied(node: Any) -> Any:
    if isinstance(node, list):
        return [_tidied(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    entries = cast("dict[str, Any]", node)
    kept: dict[str, Any] = {}
    for key, value in entries.items():
        if (key == "title" and isinstance(value, str)) or (key == "default" and value is None):
            continue
        # Durations are numbers of seconds inside and text with a unit in the file.
        seconds = key == "default" and isinstance(value, float) and entries.get("type") == "string"
        kept[key] = f"{value:g}s" if seconds else _tidied(value)
    if "patternProperties" in kept:
        # What is no name is refused, as is a key that nobody knows.
        kept.setdefault("additionalProperties", False)
    return kept
