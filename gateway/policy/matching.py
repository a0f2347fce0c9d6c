"""``match``: which texts of which calls are meant. One value, a list of them, or ``{not: …}``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, cast, get_args

from pydantic import BeforeValidator, InstanceOf, WithJsonSchema

from gateway.config.validation import Strict, suggestion
from gateway.core.segments import Direction, Kind
from gateway.core.verdict import ANY, Globs, Match

ROLES = ("system", "developer", "user", "assistant", "tool")
KINDS: tuple[str, ...] = get_args(Kind)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
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


def _among(known: tuple[str, ...], what: str) -> Callable[[object], Globs]:
    """Make a reader of values that are words of a fixed list."""

    def parse(value: object) -> Globs:
        globs = parse_globs(value)
        for word in (*globs.include, *globs.exclude):
            if word not in known:
                hint = suggestion(word, known) or f"; there are {', '.join(known)}"
                raise ValueError(f"no {what} is called '{word}'{hint}")
        return globs

    return parse


def _tags(value: object) -> Globs:
    globs = parse_globs(value)

    def whole(tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(tag if "=" in tag else f"{tag}=*" for tag in tags)

    return Globs(include=whole(globs.include), exclude=whole(globs.exclude))


def _schema(description: str, words: tuple[str, ...] = ()) -> WithJsonSchema:
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


_Direction = Annotated[
    InstanceOf[Globs],
    BeforeValidator(_among(DIRECTIONS, "direction")),
    _schema("Towards the provider, or back.", DIRECTIONS),
]
_Role = Annotated[InstanceOf[Globs], BeforeValidator(_among(ROLES, "role")), _schema("Who wrote the text.", ROLES)]
_Kind = Annotated[
    InstanceOf[Globs], BeforeValidator(_among(KINDS, "kind of text")), _schema("What the text is.", KINDS)
]
_Tool = Annotated[
    InstanceOf[Globs], BeforeValidator(parse_globs), _schema("The tool that a result came from or arguments are for.")
]
_Route = Annotated[InstanceOf[Globs], BeforeValidator(parse_globs), _schema("The path, e.g. /v1/chat/completions.")]
_Model = Annotated[InstanceOf[Globs], BeforeValidator(parse_globs), _schema("The model as the client wrote it.")]
_Provider = Annotated[InstanceOf[Globs], BeforeValidator(parse_globs), _schema("Who answers.")]
_Key = Annotated[InstanceOf[Globs], BeforeValidator(parse_globs), _schema("The id of the caller's key.")]
_Team = Annotated[InstanceOf[Globs], BeforeValidator(parse_globs), _schema("The caller's team.")]
_Tag = Annotated[InstanceOf[Globs], BeforeValidator(_tags), _schema("One of the call's tags, as name=value.")]


class MatchSpec(Strict):
    """Where a rule applies; what is not said is everywhere. Values are globs."""

    direction: _Direction = ANY
    role: _Role = ANY
    kind: _Kind = ANY
    tool: _Tool = ANY
    route: _Route = ANY
    model: _Model = ANY
    provider: _Provider = ANY
    key: _Key = ANY
    team: _Team = ANY
    tag: _Tag = ANY
    stream: bool | None = None
    tainted: bool | None = None

    def compiled(self) -> Match:
        """Make the form that guards apply."""
        said = self.direction
        directions: tuple[Direction, ...] = tuple(
            each for each in DIRECTIONS if each in (said.include or DIRECTIONS) and each not in said.exclude
        )
        return Match(
            direction=() if directions == DIRECTIONS else directions,
            role=self.role,
            kind=self.kind,
            tool=self.tool,
            route=self.route,
            model=self.model,
            provider=self.provider,
            key=self.key,
            team=self.team,
            tag=self.tag,
            stream=self.stream,
            tainted=self.tainted,
        )
