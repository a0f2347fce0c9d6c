"""JSON Schema, the common part: what a policy can ask of an answer, compiled once.

The vocabulary of draft 2020-12 (https://json-schema.org/draft/2020-12/json-schema-validation) without what is loaded
from elsewhere or looks at what was evaluated before. A keyword that is not known here is refused, since a check that is
passed over is no check. Expressions run in Hyperscan, so no pattern can be made to take long; the whole of one
validation is bounded in steps and depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gateway.core.errors import Misconfigured
from gateway.guards.arguments import Check, searcher
from gateway.guards.offered import is_array, is_object
from gateway.guards.schema_words import MAKERS

_NOTES = frozenset({
    "$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
    "$defs", "definitions",
})  # fmt: skip
_MAX_DEPTH = 64
_MAX_STEPS = 1_000_000
_MAX_REFERENCES = 32


class TooLarge(Exception):
    """Validation would take too long."""


class Effort:
    """What one validation has cost."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = 0

    def spend(self, depth: int) -> None:
        """Take one more step.

        Raises:
            TooLarge: That is one too many.
        """
        self.steps += 1
        if self.steps > _MAX_STEPS or depth > _MAX_DEPTH:
            raise TooLarge


# Returns the keyword that a value breaks, empty for none.
Rule = Callable[[Any, Effort, int], str]


class Schema:
    """A compiled schema.

    Args:
        document: The schema as JSON.

    Raises:
        Misconfigured: It holds what is not supported, or makes no sense; the message says where.
    """

    def __init__(self, document: Any) -> None:
        self._root = document
        self._known: dict[str, list[Rule]] = {}
        self._rules = self._compile(document, "#")

    def broken(self, value: Any) -> str:
        """Return the first keyword that a value does not meet; empty when it meets all.

        Raises:
            TooLarge: The value is nested too deeply, or finding out takes too long.
        """
        return _broken(self._rules, value, Effort(), 0)

    def _compile(self, schema: Any, where: str) -> list[Rule]:
        if isinstance(schema, bool):
            return [] if schema else [_plain("false", _never)]
        if not is_object(schema):
            raise Misconfigured(f"{where} should be an object, or true or false")
        rules: list[Rule] = []
        for word, meant in schema.items():
            maker = MAKERS.get(word)
            try:
                if maker is not None:
                    rules.append(_plain(word, maker(meant)))
                elif word in _COMPOUND:
                    rules += _COMPOUND[word](self, schema, f"{where}/{word}")
                elif word not in _NOTES:
                    _refuse()
            except (AttributeError, TypeError, ValueError):
                raise Misconfigured(f"{where}/{word} is not as JSON Schema has it") from None
            except Misconfigured as refusal:
                message = refusal.public_message
                raise Misconfigured(message if message.startswith("#") else f"{where}/{word} {message}") from None
        return rules

    def within(self, schema: Any, where: str) -> list[Rule]:
        """Compile a part."""
        return self._compile(schema, where)

    def referred(self, reference: Any, where: str) -> Rule:
        """Compile a reference, once; it may lead back to where it stands."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise Misconfigured("leads out of the schema, which is not supported")
        if reference not in self._known:
            self._known[reference] = []
            self._known[reference] += self._compile(self._find(reference), reference)
        rules = self._known[reference]
        return lambda value, effort, depth: _broken(rules, value, effort, depth + 1)

    def _find(self, reference: str) -> Any:
        here = self._root
        for _ in range(_MAX_REFERENCES):
            for step in reference.split("/")[1:]:
                here = _below(here, step.replace("~1", "/").replace("~0", "~"))
            following = here.get("$ref") if is_object(here) and len(here) == 1 else None
            if not isinstance(following, str):
                return here
            reference, here = following, self._root
        raise Misconfigured("leads in a circle")


def _refuse() -> None:
    raise Misconfigured("is not supported")


def _below(holder: Any, step: str) -> Any:
    if is_array(holder) and step.isdigit() and int(step) < len(holder):
        return holder[int(step)]
    if is_object(holder) and step in holder:
        return holder[step]
    raise Misconfigured("leads nowhere")


def _broken(rules: list[Rule], value: Any, effort: Effort, depth: int) -> str:
    effort.spend(depth)
    for rule in rules:
        word = rule(value, effort, depth)
        if word:
            return word
    return ""


def _plain(word: str, check: Check) -> Rule:
    def rule(value: Any, effort: Effort, depth: int) -> str:
        del effort, depth
        return "" if check(value) else word

    return rule


def _never(value: Any) -> bool:
    del value
    return False


Maker = Callable[[Schema, dict[str, Any], str], Iterator[Rule]]


def _properties(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    named = {name: schema.within(each, f"{where}/{name}") for name, each in holder["properties"].items()}

    def rule(value: Any, effort: Effort, depth: int) -> str:
        if not is_object(value):
            return ""
        broken = (_broken(rules, value[name], effort, depth + 1) for name, rules in named.items() if name in value)
        return next(filter(None, broken), "")

    yield rule


def _patterned(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    named = [
        (searcher(name), schema.within(each, f"{where}/{name}")) for name, each in holder["patternProperties"].items()
    ]

    def rule(value: Any, effort: Effort, depth: int) -> str:
        for name, each in value.items() if is_object(value) else ():
            for found, rules in named:
                if found(name) and (word := _broken(rules, each, effort, depth + 1)):
                    return word
        return ""

    yield rule


def _others(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    rules = schema.within(holder["additionalProperties"], where)
    known = frozenset(holder.get("properties", {}))
    patterns = [searcher(name) for name in holder.get("patternProperties", {})]

    def rule(value: Any, effort: Effort, depth: int) -> str:
        for name, each in value.items() if is_object(value) else ():
            if name not in known and not any(found(name) for found in patterns):
                word = _broken(rules, each, effort, depth + 1)
                if word:
                    return "additionalProperties" if word == "false" else word
        return ""

    yield rule


def _names(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    rules = schema.within(holder["propertyNames"], where)

    def rule(value: Any, effort: Effort, depth: int) -> str:
        names = value if is_object(value) else ()
        return "propertyNames" if any(_broken(rules, name, effort, depth + 1) for name in names) else ""

    yield rule


def _items(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    rules = schema.within(holder["items"], where)
    first = len(holder.get("prefixItems", ()))

    def rule(value: Any, effort: Effort, depth: int) -> str:
        rest = value[first:] if is_array(value) else ()
        return next(filter(None, (_broken(rules, each, effort, depth + 1) for each in rest)), "")

    yield rule


def _first_items(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    listed = [schema.within(each, f"{where}/{place}") for place, each in enumerate(holder["prefixItems"])]

    def rule(value: Any, effort: Effort, depth: int) -> str:
        pairs = zip(listed, value, strict=False) if is_array(value) else ()
        return next(filter(None, (_broken(rules, each, effort, depth + 1) for rules, each in pairs)), "")

    yield rule


def _contains(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    rules = schema.within(holder["contains"], where)
    least, most = holder.get("minContains", 1), holder.get("maxContains", float("inf"))

    def rule(value: Any, effort: Effort, depth: int) -> str:
        if not is_array(value):
            return ""
        count = sum([not _broken(rules, each, effort, depth + 1) for each in value])
        return "" if least <= count <= most else "contains"

    yield rule


def _all_of(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    for place, each in enumerate(_parts(holder["allOf"])):
        yield from schema.within(each, f"{where}/{place}")


def _some_of(word: str, enough: Callable[[int], bool]) -> Maker:
    def make(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
        listed = [schema.within(each, f"{where}/{place}") for place, each in enumerate(_parts(holder[word]))]

        def rule(value: Any, effort: Effort, depth: int) -> str:
            return "" if enough(sum([not _broken(rules, value, effort, depth) for rules in listed])) else word

        yield rule

    return make


def _not(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    rules = schema.within(holder["not"], where)
    yield lambda value, effort, depth: "" if _broken(rules, value, effort, depth) else "not"


def _if(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    asked = schema.within(holder["if"], where)
    then, otherwise = (schema.within(holder.get(word, True), f"{where[:-2]}{word}") for word in ("then", "else"))

    def rule(value: Any, effort: Effort, depth: int) -> str:
        return _broken(otherwise if _broken(asked, value, effort, depth) else then, value, effort, depth)

    yield rule


def _dependent(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    named = {name: schema.within(each, f"{where}/{name}") for name, each in holder["dependentSchemas"].items()}

    def rule(value: Any, effort: Effort, depth: int) -> str:
        asked = [rules for name, rules in named.items() if is_object(value) and name in value]
        return next(filter(None, (_broken(rules, value, effort, depth) for rules in asked)), "")

    yield rule


def _reference(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    yield schema.referred(holder["$ref"], where)


def _nothing(schema: Schema, holder: dict[str, Any], where: str) -> Iterator[Rule]:
    """Read beside another keyword, without which it says nothing."""
    del schema, holder, where
    yield from ()


def _parts(meant: Any) -> list[Any]:
    if not is_array(meant) or not meant:
        raise ValueError
    return meant


_COMPOUND: dict[str, Maker] = {
    "$ref": _reference,
    "additionalProperties": _others,
    "allOf": _all_of,
    "anyOf": _some_of("anyOf", lambda count: count > 0),
    "contains": _contains,
    "dependentSchemas": _dependent,
    "else": _nothing,
    "if": _if,
    "items": _items,
    "maxContains": _nothing,
    "minContains": _nothing,
    "not": _not,
    "oneOf": _some_of("oneOf", lambda count: count == 1),
    "patternProperties": _patterned,
    "prefixItems": _first_items,
    "properties": _properties,
    "propertyNames": _names,
    "then": _nothing,
}
