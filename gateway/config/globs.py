"""Which values are meant: one value, a list of them, or ``{not: …}``, as policies and routes write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pydantic import WithJsonSchema

from gateway.config.validation import suggestion
from gateway.core.verdict import Globs

_MAX_CHARS, _MAX_VALUES = 1000, 1000


def parse_globs(value: object) -> Globs:
    """Read what is meant.

    Args:
        value: A text, a list of texts, or ``{not: …}`` with one of those.

    Raises:
        ValueError: It is none of them.
    """
    if not isinstance(value, dict):
        return Globs(include=_values(value))
    written = cast("dict[str, object]", value)
    if set(written) != {"not"}:
        raise ValueError("should be a value, a list of values, or {not: …} with one of those")
    return Globs(exclude=_values(written["not"]))


def _values(value: object) -> tuple[str, ...]:
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    if not values:
        raise ValueError("should name at least one")
    if len(values) > _MAX_VALUES:
        raise ValueError(f"names more than {_MAX_VALUES}; use a glob")
    texts = tuple(each for each in values if isinstance(each, str) and 0 < len(each) <= _MAX_CHARS)
    if len(texts) < len(values):
        raise ValueError(f"should be a text of 1 to {_MAX_CHARS} characters, or a list of them (quote numbers)")
    return texts


def among(known: tuple[str, ...], what: str) -> Callable[[object], Globs]:
    """Make a reader of values that are words of a fixed list."""

    def parse(value: object) -> Globs:
        globs = parse_globs(value)
        for word in (*globs.include, *globs.exclude):
            if word not in known:
                hint = suggestion(word, known) or f"; there are {', '.join(known)}"
                raise ValueError(f"no {what} is called '{word}'{hint}")
        return globs

    return parse


def parse_tags(value: object) -> Globs:
    """Read which tags are meant: ``name=value``, or a name for any value of it."""
    globs = parse_globs(value)

    def whole(tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(tag if "=" in tag else f"{tag}=*" for tag in tags)

    return Globs(include=whole(globs.include), exclude=whole(globs.exclude))


def globs_schema(description: str, words: tuple[str, ...] = ()) -> WithJsonSchema:
    """Describe such values to editors; ``words`` are the only ones there are."""
    item: dict[str, Any] = (
        {"enum": list(words)} if words else {"type": "string", "minLength": 1, "maxLength": _MAX_CHARS}
    )
    many = {"type": "array", "items": item, "minItems": 1}
    negated = {
        "type": "object",
        "description": "None of these.",
        "properties": {"not": {"anyOf": [item, many]}},
        "required": ["not"],
        "additionalProperties": False,
    }
    return WithJsonSchema({"description": description, "anyOf": [item, many, negated]})
