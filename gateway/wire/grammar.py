"""A small grammar of JSON documents: where their texts stand, who wrote them and what they are.

A dialect describes its documents as a tree of rules; walking a document by it yields every string in it exactly once.
What no rule knows is walked leaf by leaf, names included, so a new field of a provider is never a blind spot. Only
protocol constants (``role``, ``type``, …, as long as they hold one of their known values) and media are left out.

A rule is a function of (path, role, value, found) that appends segments to ``found``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from gateway.core.segments import KEY, Kind, Path, Segment, walk_leaves
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

Found = list[Segment]
Rule = Callable[[Path, str, Any, Found], None]

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[\w.+-]*)*;base64,", re.IGNORECASE)
_MEDIA_TYPES = ("image/", "audio/", "video/", "font/", "application/pdf", "application/octet-stream", "application/zip",
                "application/vnd.", "application/msword")  # fmt: skip
# Marks that prose, markup or JSON cannot do without and base64 never has; a look for each costs 20 µs a MB.
_NOT_BASE64 = (" ", "\t", "<", "{", '"')

_MEDIA_CHARS = 128
_COUNTERS = ("_tokens", "_tokens_details")

# Words of JSON Schema: as keys and as values they say nothing, wherever they stand.
_SCHEMA_WORDS = frozenset({
    "type", "properties", "description", "required", "enum", "items", "additionalProperties", "title", "default",
    "const", "format", "pattern", "anyOf", "oneOf", "allOf", "not", "minimum", "maximum", "minLength", "maxLength",
    "minItems", "maxItems", "$ref", "$defs", "definitions", "object", "string", "number", "integer", "boolean",
    "array", "null", "strict", "name", "schema", "json_schema",
})  # fmt: skip


def leaves(kind: Kind = "leaf") -> Rule:
    """Every string, number and key below."""

    def rule(path: Path, role: str, value: Any, found: Found) -> None:
        if is_text(value):
            if value:
                found.append(Segment(path, role, kind, value))
        elif is_object(value) or is_array(value):
            found.extend(walk_leaves(value, path, role=role, kind=kind))
        elif value is not None and value.__class__ is not bool:
            found.append(Segment(path, role, kind, repr(value)))

    return rule


_any_leaf = leaves()
_argument_leaf = leaves("tool_argument")


def text(kind: Kind, *, encoded: bool = False) -> Rule:
    """A string; whatever else stands there is walked leaf by leaf."""
    otherwise = leaves(kind)

    def rule(path: Path, role: str, value: Any, found: Found) -> None:
        if not is_text(value):
            otherwise(path, role, value, found)
        elif value:
            found.append(Segment(path, role, kind, value, encoded))

    return rule


def constant(*known: str) -> Rule:
    """A number, a boolean, null or one of the known words; anything else is a leaf."""
    words = frozenset(known)

    def rule(path: Path, role: str, value: Any, found: Found) -> None:
        if is_text(value):
            if value and value not in words:
                found.append(Segment(path, role, "leaf", value))
        elif is_object(value) or is_array(value):
            found.extend(walk_leaves(value, path, role=role))

    return rule


def nothing(path: Path, role: str, value: Any, found: Found) -> None:
    """No text of anybody: identifiers and fingerprints that the protocol itself makes."""


def figures(path: Path, role: str, value: Any, found: Found) -> None:
    """Token counts; only strings and names that are no counter's are text."""
    if is_object(value) and all(_counts(name, item) for name, item in value.items()):
        return
    for segment in walk_leaves(value, path, role=role):
        if segment.path[-1] == KEY:
            if not segment.text.endswith(_COUNTERS):
                found.append(segment)
        elif is_text(_at(value, segment.path[len(path) :])):
            found.append(segment)


def schema(path: Path, role: str, value: Any, found: Found) -> None:
    """A JSON Schema: descriptions, enum values, names of properties; its own vocabulary is left out."""
    for segment in walk_leaves(value, path, role=role, kind="tool_description"):
        if segment.text not in _SCHEMA_WORDS:
            found.append(segment)


def url(path: Path, role: str, value: Any, found: Found) -> None:
    """A link; one that holds media is not text."""
    if not is_text(value):
        _any_leaf(path, role, value, found)
    elif value and not is_media(value):
        found.append(Segment(path, role, "url", value))


def base64_media(path: Path, role: str, value: Any, found: Found) -> None:
    """Media as base64, bare or as a data URL; a bare word too short for media is a word."""
    if not (is_text(value) and (is_media(value) or (len(value) >= _MEDIA_CHARS and _is_opaque(value)))):
        _any_leaf(path, role, value, found)


def inline_json(path: Path, role: str, value: Any, found: Found) -> None:
    """The input of a tool that stands in the document as itself: looked at as one text; an edit is read again."""
    if is_object(value):
        try:
            written = orjson.dumps(value).decode()
        except orjson.JSONEncodeError:
            pass
        else:
            found.append(Segment(path, role, "tool_argument", written, encoded=True, inline=True))
            return
    _argument_leaf(path, role, value, found)


def sealed(rule: Rule) -> Rule:
    """A rule below which a signature covers everything, or is it."""

    def signed(path: Path, role: str, value: Any, found: Found) -> None:
        first = len(found)
        rule(path, role, value, found)
        found[first:] = [msgspec.structs.replace(segment, sealed=True) for segment in found[first:]]

    return signed


def fields(rules: Mapping[str, Rule], *, otherwise: Rule = _any_leaf) -> Rule:
    """An object with these fields; of any other field, the name is text as well as what ``otherwise`` finds below."""

    def rule(path: Path, role: str, value: Any, found: Found) -> None:
        if not is_object(value):
            otherwise(path, role, value, found)
            return
        for name, item in value.items():
            known = rules.get(name)
            if known is None:
                if name:
                    found.append(Segment((*path, name, KEY), role, "json_key", name))
                otherwise((*path, name), role, item, found)
            elif item is not None:
                known((*path, name), role, item, found)

    return rule


def each(item: Rule) -> Rule:
    """An array whose items all follow one rule; a value that is no array is taken for one item."""

    def rule(path: Path, role: str, value: Any, found: Found) -> None:
        if not is_array(value):
            item(path, role, value, found)
            return
        for index, member in enumerate(value):
            item((*path, index), role, member, found)

    return rule


def said_by(speaker: Callable[[Any], str], rule: Rule) -> Rule:
    """A rule below which ``speaker(value)`` is the role, when it names one."""

    def spoken(path: Path, role: str, value: Any, found: Found) -> None:
        rule(path, speaker(value) or role, value, found)

    return spoken


def is_media(value: str) -> bool:
    """Say whether a string is a base64 data URL of something that is not text."""
    head = _DATA_URL.match(value, 0, 256)
    if head is None:
        return False
    media_type = (head.group(1) or "").lower()
    if not media_type.startswith(_MEDIA_TYPES) or media_type.endswith("+xml"):
        return False
    return _is_opaque(value)


def _is_opaque(value: str) -> bool:
    return value.isascii() and not any(mark in value for mark in _NOT_BASE64)


def _counts(name: str, item: Any) -> bool:
    """Say whether a field is a count, or details that are all counts: what nearly every usage is made of."""
    if is_object(item):
        return name.endswith(_COUNTERS) and all(is_integer(n) and key.endswith(_COUNTERS) for key, n in item.items())
    return (item is None or is_integer(item)) and name.endswith(_COUNTERS)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value
