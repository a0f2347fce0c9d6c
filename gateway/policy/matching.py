"""``match``: which texts of which calls are meant. One value, a list of them, or ``{not: …}``."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import BeforeValidator, InstanceOf

from gateway.config.globs import among, globs_schema, parse_globs, parse_tags
from gateway.config.validation import Strict
from gateway.core.segments import Direction, Kind
from gateway.core.verdict import ANY, Globs, Match

ROLES = ("system", "developer", "user", "assistant", "tool")
KINDS: tuple[str, ...] = get_args(Kind)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


_Direction = Annotated[
    InstanceOf[Globs],
    BeforeValidator(among(DIRECTIONS, "direction")),
    globs_schema("Towards the provider, or back.", DIRECTIONS),
]
_Role = Annotated[InstanceOf[Globs], BeforeValidator(among(ROLES, "role")), globs_schema("Who wrote the text.", ROLES)]
_Kind = Annotated[
    InstanceOf[Globs], BeforeValidator(among(KINDS, "kind of text")), globs_schema("What the text is.", KINDS)
]
_Tool = Annotated[
    InstanceOf[Globs],
    BeforeValidator(parse_globs),
    globs_schema("The tool that a result came from or arguments are for."),
]
_Route = Annotated[
    InstanceOf[Globs], BeforeValidator(parse_globs), globs_schema("The path, e.g. /v1/chat/completions.")
]
_Model = Annotated[InstanceOf[Globs], BeforeValidator(parse_globs), globs_schema("The model as the client wrote it.")]
_Provider = Annotated[InstanceOf[Globs], BeforeValidator(parse_globs), globs_schema("Who answers.")]
_Key = Annotated[InstanceOf[Globs], BeforeValidator(parse_globs), globs_schema("The id of the caller's key.")]
_Team = Annotated[InstanceOf[Globs], BeforeValidator(parse_globs), globs_schema("The caller's team.")]
_Tag = Annotated[InstanceOf[Globs], BeforeValidator(parse_tags), globs_schema("One of the call's tags, as name=value.")]


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
