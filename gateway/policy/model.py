"""A policy file as typed models: what each key may hold. Names that lead to other parts are checked by the compiler.

What the language names and is not built yet is listed as :data:`NotYet`, so that it is refused by name.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field, InstanceOf, WithJsonSchema, model_validator

from gateway.config.validation import Many, NotYet, Strict, not_yet
from gateway.core.segments import Direction
from gateway.core.verdict import When
from gateway.policy.expression import parse_when

_LATER_DETECTORS = frozenset({"pii", "injection", "toxicity", "url_egress", "classifier", "ruleset", "judge"})
_LATER_ACTIONS = frozenset({"hold", "mask", "rewrite", "route", "score", "taint"})
_LATER_MODES = frozenset({"shadow", "canary"})

Text = Annotated[str, Field(min_length=1, max_length=1000)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
# As an expression can name it, and none of its words.
DetectorName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
SampleText = Annotated[str, Field(max_length=100_000)]


def _words(later: frozenset[str], what: str) -> BeforeValidator:
    """Refuse words that the language has and this version has not, and forms that are not a word."""

    def check(value: object) -> object:
        if isinstance(value, (dict, list)):
            name = _first_key(cast("object", value))
            raise not_yet(f"{what} '{name}'" if name in later else f"this form of {what}")
        if isinstance(value, str) and value in later:
            raise not_yet(f"{what} '{value}'")
        return value

    return BeforeValidator(check)


def _first_key(value: object) -> str:
    if isinstance(value, list):
        value = next(iter(cast("list[object]", value)), None)
    return next(iter(cast("dict[str, object]", value)), "") if isinstance(value, dict) else ""


def _one_or_more(value: object) -> object:
    if isinstance(value, dict):
        raise not_yet("'not'")
    return (value,) if isinstance(value, str) else value


Globs = Annotated[
    Many[Text], BeforeValidator(_one_or_more, json_schema_input_type=str | list[str]), Field(min_length=1)
]
Expression = Annotated[InstanceOf[When], BeforeValidator(parse_when), WithJsonSchema({"type": "string"})]


class MetadataSpec(Strict):
    """Who answers for the file."""

    name: Identifier
    owner: str = ""
    change: str = ""
    description: str = ""


class DetectorSpecification(Strict):
    """What to look for."""

    use: Annotated[Literal["secrets", "pattern"], _words(_LATER_DETECTORS, "detector")]
    patterns: Many[Text] = ()
    allow: NotYet = None
    entities: NotYet = None
    require: NotYet = None
    min_score: NotYet = None
    target_fpr: NotYet = None
    timeout: NotYet = None
    surfaces: NotYet = None
    model: NotYet = None

    @model_validator(mode="after")
    def _patterns_belong_to_pattern(self) -> DetectorSpecification:
        if self.use == "pattern" and not self.patterns:
            raise ValueError("use: pattern needs patterns")
        if self.use != "pattern" and self.patterns:
            raise ValueError("patterns go with use: pattern only")
        return self


Role = Literal["system", "developer", "user", "assistant", "tool"]
Roles = Annotated[
    Many[Role], BeforeValidator(_one_or_more, json_schema_input_type=Role | list[Role]), Field(min_length=1)
]
Directions = Annotated[
    Many[Direction],
    BeforeValidator(_one_or_more, json_schema_input_type=Direction | list[Direction]),
    Field(min_length=1),
]


class MatchSpec(Strict):
    """Where a rule applies; what is not said is everywhere. Route, model, provider and team are globs."""

    direction: Directions = ()
    role: Roles = ()
    route: Globs = ()
    model: Globs = ()
    provider: Globs = ()
    team: Globs = ()
    key: NotYet = None
    tag: NotYet = None
    tool: NotYet = None
    stream: NotYet = None


class RuleSpecification(Strict):
    """What to do about what was found."""

    id: Identifier
    match: MatchSpec
    when: Expression
    do: Annotated[Literal["redact", "block", "annotate"], _words(_LATER_ACTIONS, "action")]
    mode: Annotated[Literal["audit", "enforce"], _words(_LATER_MODES, "mode")]


class GivenSpec(Strict):
    """The text of a test: one that the role wrote, or an answer that arrives in pieces."""

    role: Role | None = None
    text: SampleText | None = None
    stream: Many[SampleText] = ()
    tool_args: NotYet = None
    call: NotYet = None
    args: NotYet = None

    @model_validator(mode="after")
    def _text_or_stream(self) -> GivenSpec:
        if (self.text is None) == (not self.stream):
            raise ValueError("give either role and text, or stream")
        if self.text is not None and self.role is None:
            raise ValueError("text needs the role that wrote it")
        if self.stream and self.role not in (None, "assistant"):
            raise ValueError("only the assistant streams")
        return self


class ExpectSpec(Strict):
    """What must come of it."""

    action: Annotated[Literal["allow", "annotate", "redact", "block"], _words(_LATER_ACTIONS, "action")] | None = None
    rule: Identifier | None = None
    output: SampleText | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> ExpectSpec:
        if self.action is None and self.rule is None and self.output is None:
            raise ValueError("expects nothing; give action, rule or output")
        return self


class TestSpec(Strict):
    """A test inside a policy file; a bundle whose tests fail is not loaded."""

    name: Text
    given: GivenSpec
    expect: ExpectSpec


class PolicySpec(Strict):
    """The whole of a policy file."""

    api_version: Literal["weighbridge/v1"] = Field(validation_alias="apiVersion")
    kind: Literal["Policy"]
    metadata: MetadataSpec
    detectors: dict[DetectorName, DetectorSpecification] = {}
    rules: Many[RuleSpecification] = ()
    tests: Many[TestSpec] = ()
    extends: NotYet = None
    lists: NotYet = None
    on_error: NotYet = None
    scoring: NotYet = None
    exclusions: NotYet = None
    normalize: NotYet = None
    tools: NotYet = None
