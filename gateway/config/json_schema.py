"""JSON Schema of the files that people edit, as an editor shows it: defaults in the words of the file, no noise."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from gateway.config.addresses import Address
from gateway.config.units import Wait
from gateway.core.verdict import Globs


class _Generator(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        """Write an address as the file does; no globs are no default worth showing."""
        if isinstance(dft, Globs):
            return None
        return str(dft) if isinstance(dft, Address | Wait) else super().encode_default(dft)


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
        # Durations and shares are numbers inside and text with a unit in the file.
        if key == "default" and isinstance(value, float) and entries.get("type") == "string":
            share = any("%" in str(each) for each in entries.get("examples", ()))
            kept[key] = f"{value * 100:g}%" if share else f"{value:g}s"
        else:
            kept[key] = _tidied(value)
    if "patternProperties" in kept:
        # What is no name is refused, as is a key that nobody knows.
        kept.setdefault("additionalProperties", False)
    return kept
