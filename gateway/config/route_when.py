"""``when`` of a candidate: which requests it is for. Written as policies write ``match``, and numbers as ranges."""

from __future__ import annotations

from typing import Annotated, Any, Self, cast, get_args

from pydantic import BeforeValidator, Field, InstanceOf, model_validator

from gateway.config.globs import among, globs_schema, parse_globs, parse_tags
from gateway.config.validation import Many, Strict
from gateway.core.chat import MediaKind
from gateway.core.language_profiles import CODES
from gateway.core.route_rules import Between, RouteMatch, RouteWhen
from gateway.core.verdict import ANY, Globs

VERDICTS = ("allow", "annotate", "edit")
MEDIA: tuple[str, ...] = get_args(MediaKind)
Number = Annotated[float, Field(ge=0, strict=False)]


def _globs(description: str) -> tuple[BeforeValidator, object]:
    return BeforeValidator(parse_globs), globs_schema(description)


_Model = Annotated[InstanceOf[Globs], *_globs("The model as the client wrote it.")]
_Route = Annotated[InstanceOf[Globs], *_globs("The path, e.g. /v1/chat/completions.")]
_Dialect = Annotated[InstanceOf[Globs], *_globs("The client's dialect, e.g. anthropic_messages.")]
_Key = Annotated[InstanceOf[Globs], *_globs("The id of the caller's key.")]
_Team = Annotated[InstanceOf[Globs], *_globs("The caller's team.")]
_Tenant = Annotated[InstanceOf[Globs], *_globs("The caller's tenant.")]
_Session = Annotated[InstanceOf[Globs], *_globs("The session that the call names.")]
_User = Annotated[InstanceOf[Globs], *_globs("The caller's own user, as the body names it.")]
_Tool = Annotated[InstanceOf[Globs], *_globs("The name of a tool that is offered.")]
_Tag = Annotated[InstanceOf[Globs], BeforeValidator(parse_tags), globs_schema("One of the call's tags, as name=value.")]
_Media = Annotated[
    InstanceOf[Globs], BeforeValidator(among(MEDIA, "kind of media")), globs_schema("Media in the request.", MEDIA)
]
_Verdict = Annotated[
    InstanceOf[Globs],
    BeforeValidator(among(VERDICTS, "verdict")),
    globs_schema("What rules made of the request.", VERDICTS),
]
_CODES = tuple(sorted(CODES))
_Language = Annotated[
    InstanceOf[Globs],
    BeforeValidator(among(_CODES, "language that can be told")),
    globs_schema("Of the last text of the user's, ISO 639-1.", _CODES),
]


class BetweenSpec(Strict):
    """A range of numbers, ends included."""

    min: Number | None = None
    max: Number | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("should have min, max, or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is more than max")
        return self

    def compiled(self) -> Between:
        """Make the form that routing asks."""
        return Between(self.min, self.max)


class WhenSpec(Strict):
    """What a request must be like. What is not said is anything; all that is said must hold."""

    stream: bool | None = None
    tainted: bool | None = None
    model: _Model = ANY
    route: _Route = ANY
    dialect: _Dialect = ANY
    key: _Key = ANY
    team: _Team = ANY
    tenant: _Tenant = ANY
    session: _Session = ANY
    tag: _Tag = ANY
    verdict: _Verdict = ANY
    score: BetweenSpec | None = None
    max_output_tokens: BetweenSpec | None = None
    user: _User = ANY
    tools: bool | None = None
    tool: _Tool = ANY
    media: _Media = ANY
    json_: bool | None = Field(None, validation_alias="json")
    input_tokens: BetweenSpec | None = None
    chars: BetweenSpec | None = None
    turns: BetweenSpec | None = None
    language: _Language = ANY

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.compiled() == RouteMatch():
            raise ValueError("asks nothing; leave it out for a candidate that is for all requests")
        return self

    def compiled(self) -> RouteMatch:
        """Make the form that routing asks."""
        said: dict[str, Any] = {}
        for name in RouteMatch.__struct_fields__:
            asked = getattr(self, "json_" if name == "json" else name)
            said[name] = asked.compiled() if isinstance(asked, BetweenSpec) else asked
        return RouteMatch(**said)


def _one_or_more(value: object) -> object:
    return [cast("object", value)] if isinstance(value, dict) else value


Whens = Annotated[
    Many[WhenSpec], BeforeValidator(_one_or_more, json_schema_input_type=WhenSpec | list[WhenSpec]), Field(min_length=1)
]


def compiled(whens: tuple[WhenSpec, ...] | None) -> RouteWhen:
    """Make the form that routing asks; empty for every request."""
    return tuple(each.compiled() for each in whens or ())
