"""A policy file as typed models: what each key may hold. Names that lead to other parts are checked by the compiler.

What the language names and is not built yet is refused by name.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BeforeValidator, Field, InstanceOf, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from gateway.config.validation import Many, Strict, not_yet, suggestion
from gateway.core.capture import Bodies
from gateway.core.verdict import ANY, Action, OnError, Step, When
from gateway.policy.detectors import KINDS, BuiltIn, ForeignDetector, OrOfPlugin
from gateway.policy.expression import parse_when
from gateway.policy.given import GivenSpec, SampleText
from gateway.policy.lists import ListSpec
from gateway.policy.matching import MatchSpec
from gateway.policy.options import Text
from gateway.policy.steps import LATER, MODE_SCHEMA, STEPS_SCHEMA, ModeSpec, parse_mode, parse_steps

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
# As an expression can name it, and none of its words.
DetectorName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
_FOREIGN = "detectors of plugins"
# A rule of the bundle, or what thresholds and failing detectors are recorded as.
_EXPECTED_RULE = r"^(scoring:(request|response)|on_error:[A-Za-z_][A-Za-z0-9_-]{0,63}|[A-Za-z0-9][A-Za-z0-9._-]{0,99})$"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ACTIONS = tuple(action for action in get_args(Action) if action not in LATER)

Expression = Annotated[InstanceOf[When], BeforeValidator(parse_when), WithJsonSchema({"type": "string"})]
Steps = Annotated[tuple[InstanceOf[Step], ...], BeforeValidator(parse_steps), WithJsonSchema(STEPS_SCHEMA)]
Mode = Annotated[InstanceOf[ModeSpec], BeforeValidator(parse_mode), WithJsonSchema(MODE_SCHEMA)]


def _day(value: object) -> int:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("should be a day such as 2027-01-31; from that day on it does not count")
    try:
        return int(datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ValueError("is no day of any calendar") from None


def _expected_action(value: object) -> object:
    if value in LATER:
        raise not_yet(f"action '{value}'")
    if value not in _ACTIONS:
        hint = suggestion(value, _ACTIONS) if isinstance(value, str) else ""
        raise ValueError(f"should be one of {', '.join(_ACTIONS)}{hint}")
    return value


def _output(value: object) -> object:
    if isinstance(value, dict) or (isinstance(value, str) and len(value) <= 100_000):
        return cast("object", value)
    raise ValueError("should be the text that is left, or the arguments as a mapping")


Day = Annotated[int, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
Threshold = Annotated[float, Field(gt=0, le=1_000_000)]


class MetadataSpec(Strict):
    """Who answers for the file."""

    name: Identifier
    owner: str = ""
    change: str = ""
    description: str = ""


class ThresholdsSpec(Strict):
    """From how many points on a request or answer is annotated or blocked."""

    annotate: Threshold | None = None
    block: Threshold | None = None

    @model_validator(mode="after")
    def _in_order(self) -> ThresholdsSpec:
        if self.annotate is not None and self.block is not None and self.annotate > self.block:
            raise ValueError("annotate should not be more than block")
        return self


class ScoringSpec(Strict):
    """What points add up to."""

    request: ThresholdsSpec | None = None
    response: ThresholdsSpec | None = None


class NormalizeSpec(Strict):
    """How texts are prepared, and what holds for those that cannot be read."""

    unscannable: Literal["block", "allow", "annotate"] | None = None
    max_chars: Annotated[int, Field(ge=1, le=100_000_000)] | None = None


class RuleSpecification(Strict):
    """What to do about what was found."""

    id: Identifier
    description: str = ""
    match: MatchSpec
    when: Expression
    do: Steps
    mode: Mode


class CaptureEntry(Strict):
    """How much is kept of the bodies of some calls."""

    match: MatchSpec
    bodies: Bodies

    @model_validator(mode="after")
    def _is_about_calls(self) -> CaptureEntry:
        match = self.match
        if any(said != ANY for said in (match.direction, match.role, match.kind, match.tool)):
            raise ValueError("capture is for whole calls: match takes no direction, role, kind or tool")
        return self


class ExclusionSpec(Strict):
    """Where a rule does not apply, for a while. Who, why and until when are part of it."""

    id: Identifier
    rule: Identifier
    match: MatchSpec
    detector: DetectorName | None = None
    field: Text | None = None
    reason: Reason
    ticket: Reason
    expires: Day


class ExpectSpec(Strict):
    """What must come of it."""

    action: Annotated[Action, BeforeValidator(_expected_action), WithJsonSchema({"enum": list(_ACTIONS)})] | None = None
    rule: Annotated[str, Field(pattern=_EXPECTED_RULE)] | None = None
    output: Annotated[Any, BeforeValidator(_output), WithJsonSchema({"type": ["string", "object"]})] = None
    route: Text | None = None
    restored: SampleText | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> ExpectSpec:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("expects nothing; give action, rule, output, route or restored")
        return self


def _is_foreign(spec: Any) -> bool:
    use = cast("dict[str, Any]", spec).get("use") if isinstance(spec, dict) else None
    return isinstance(use, str) and use not in KINDS


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
    extends: Many[Text] = ()
    lists: dict[DetectorName, ListSpec] = {}
    detectors: dict[DetectorName, Annotated[BuiltIn, OrOfPlugin()]] = {}
    # Nobody writes this key: what names a kind that is not ours is set aside here.
    foreign: SkipJsonSchema[dict[DetectorName, ForeignDetector]] = Field({}, validation_alias=_FOREIGN)
    on_error: dict[DetectorName, OnError] = {}
    scoring: ScoringSpec
    normalize: NormalizeSpec
    capture: Many[CaptureEntry] = ()
    rules: Many[RuleSpecification] = ()
    exclusions: Many[ExclusionSpec] = ()
    tests: Many[TestSpec] = ()

    @model_validator(mode="before")
    @classmethod
    def _set_aside(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        written = cast("dict[str, Any]", data)
        detectors = written.get("detectors")
        if not isinstance(detectors, dict):
            return written
        listed = cast("dict[str, Any]", detectors)
        foreign = {name: spec for name, spec in listed.items() if _is_foreign(spec)}
        if not foreign:
            return written
        own = {name: spec for name, spec in listed.items() if name not in foreign}
        return {**written, "detectors": own, _FOREIGN: foreign}
