"""The section ``models`` as typed models: who serves a model name, and what happens when one of them fails."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, WithJsonSchema, model_validator

from gateway.config.route_when import Whens
from gateway.config.units import Wait, parse_bytes, parse_duration, parse_percent, parse_wait
from gateway.config.validation import Many, Strict, suggestion
from gateway.core.exchange import CAUSES, Cause, Strategy
from gateway.core.losses import OnUnsupported
from gateway.core.route_rules import StickyBy

_TEXT = {"type": "string"}
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Seconds = Annotated[
    float, BeforeValidator(parse_duration), Field(gt=0), WithJsonSchema({**_TEXT, "examples": ["500ms", "10s", "30d"]})
]
Share = Annotated[
    float, BeforeValidator(parse_percent), Field(gt=0, le=1), WithJsonSchema({**_TEXT, "examples": ["50%"]})
]
AtLeastOne = Annotated[int, Field(ge=1)]


ArmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
# Shares that are written in percent add up to one but for the last bits.
_NEAR = 1e-9


def _share_alone(value: object) -> object:
    return {"share": value} if isinstance(value, str) else value


class CanarySpec(Strict):
    """The share of callers that a candidate gets; all others stay with the candidates beside it."""

    share: Share
    sticky_by: StickyBy = "key"


class CandidateSpec(Strict):
    """One deployment that may serve an alias.

    ``{model}`` stands for the name the client sent, ``{star}`` for what the alias' ``*`` stands for in it, or
    ``{star1}``, ``{star2}``, … where there are several.
    """

    provider: Text
    model: Text = "{model}"
    weight: AtLeastOne = 1
    concurrency: AtLeastOne | None = None
    context_window: AtLeastOne | None = None
    when: Whens | None = None
    arm: ArmName | None = None
    canary: Annotated[
        CanarySpec | None, BeforeValidator(_share_alone, json_schema_input_type=str | CanarySpec | None)
    ] = None


class SplitSpec(Strict):
    """Callers shared out over arms, each of which keeps its own."""

    name: ArmName | None = None
    sticky_by: StickyBy = "key"
    arms: Annotated[dict[ArmName, Share], Field(max_length=20)]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if len(self.arms) < 2:
            raise ValueError("should have two arms or more")
        total = sum(self.arms.values())
        if abs(total - 1.0) > _NEAR:
            raise ValueError(f"the shares of the arms should add up to 100%, and come to {total:.6%}")
        return self


class TimeoutsSpec(Strict):
    """The four timers of an attempt."""

    connect_s: Seconds = Field(5.0, validation_alias="connect")
    first_token_s: Seconds = Field(120.0, validation_alias="first_token")
    idle_s: Seconds = Field(120.0, validation_alias="idle")
    total_s: Seconds = Field(600.0, validation_alias="total")


def _cause(value: object) -> object:
    """In YAML, 429 is a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class RetrySpec(Strict):
    """Further tries after the first: at other deployments, then at the same again."""

    attempts: Annotated[int, Field(ge=0, le=10)] = 2
    on: Many[Annotated[Cause, BeforeValidator(_cause, json_schema_input_type=str | int)]] = CAUSES


class BreakerSpec(Strict):
    """When a deployment that fails is left alone for a while."""

    consecutive: AtLeastOne = 3
    share: Share = 0.5
    min_calls: AtLeastOne = 20
    window_s: Seconds = Field(10.0, validation_alias="window")
    open_s: Seconds = Field(2.0, validation_alias="open")
    max_open_s: Seconds = Field(60.0, validation_alias="max_open")


class QueueSpec(Strict):
    """How calls wait in front of deployments that have as many as their ``concurrency`` allows."""

    length: Annotated[int, Field(ge=0, le=10_000)] = 64
    wait_s: Annotated[Seconds, Field(le=300)] = Field(5.0, validation_alias="wait")
    by: Literal["key", "team", "tenant"] = "key"


class OutlierSpec(Strict):
    """When a deployment that fails more often than its peers is left alone for a while."""

    below: Share = 0.2
    min_calls: AtLeastOne = 50
    window_s: Seconds = Field(30.0, validation_alias="window")
    eject_s: Seconds = Field(30.0, validation_alias="eject")
    max_eject_s: Seconds = Field(300.0, validation_alias="max_eject")
    most: Annotated[
        float, BeforeValidator(parse_percent), Field(ge=0, le=1), WithJsonSchema({**_TEXT, "examples": ["50%"]})
    ] = 0.5


class ProbeSpec(Strict):
    """When a deployment that nobody calls, or that is left alone, is asked something small."""

    every_s: Annotated[Seconds, Field(ge=1)] = Field(30.0, validation_alias="every")
    timeout_s: Annotated[Seconds, Field(le=300)] = Field(10.0, validation_alias="timeout")
    max_tokens: Annotated[int, Field(ge=1, le=1000)] = 16
    max_cost_usd_per_day: Annotated[float, Field(ge=0, le=10_000)] = 0.1
    max_unpriced_per_day: Annotated[int, Field(ge=0, le=1_000_000)] = 1000


class ContinueSpec(Strict):
    """What becomes of a plain text stream that is cut after its first byte: somebody else goes on with it."""

    times: Annotated[int, Field(ge=1, le=10)] = 2
    by: Literal["auto", "prefill", "instruct"] = "auto"


def _switched(value: object) -> object:
    """``true`` is the section with nothing in it, ``false`` none."""
    return ({} if value else None) if isinstance(value, bool) else value


class HedgeSpec(Strict):
    """When a call that nobody has begun to answer is given to a second deployment as well, and what that may cost."""

    after: Annotated[
        InstanceOf[Wait], BeforeValidator(parse_wait), WithJsonSchema({**_TEXT, "examples": ["p95", "800ms"]})
    ] = Wait(quantile=0.95)
    max_extra_cost: Share = 0.1


class MirrorSpec(Strict):
    """Which calls are asked of another deployment as well, when they have been answered; and what that may take."""

    to: Annotated[str, Field(max_length=1000, pattern=r"^[^/]+/.+$")]
    sample: Share = 0.01
    timeout_s: Annotated[Seconds, Field(le=600)] = Field(60.0, validation_alias="timeout")
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 4
    queue: Annotated[int, Field(ge=0, le=10_000)] = 16
    max_body_bytes: Annotated[
        int,
        BeforeValidator(parse_bytes),
        Field(ge=1, le=16_777_216),
        WithJsonSchema({"type": ["integer", "string"], "examples": ["256KiB"]}),
    ] = 262_144


def _some(candidates: tuple[CandidateSpec, ...]) -> tuple[CandidateSpec, ...]:
    if not candidates:
        raise ValueError("names no provider; give one {provider, model}")
    return candidates


class ModelSpec(Strict):
    """A model name as clients send it, or a glob over such names, and who serves it."""

    alias: Annotated[str, Field(min_length=1, max_length=200)]
    candidates: Annotated[Many[CandidateSpec], AfterValidator(_some)]
    timeouts: TimeoutsSpec
    on_unsupported: OnUnsupported | None = None
    strategy: Strategy | None = None
    split: SplitSpec | None = None
    fallback: Many[Text] = ()
    retry: RetrySpec | None = None
    breaker: BreakerSpec | None = None
    queue: QueueSpec | None = None
    outlier: OutlierSpec | None = None
    probe: ProbeSpec | None = None
    continues: Annotated[
        ContinueSpec | None, BeforeValidator(_switched, json_schema_input_type=ContinueSpec | bool | None)
    ] = Field(None, validation_alias="continue")
    hedge: HedgeSpec | None = None
    mirror: MirrorSpec | None = None
    cache: bool = True

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.strategy == "when-rules" and not any(each.when for each in self.candidates):
            raise ValueError("strategy when-rules goes by `when`, and no candidate has one")
        if fault := _arms_fault(self.candidates, self.split):
            raise ValueError(fault)
        return self


def _arms_fault(candidates: tuple[CandidateSpec, ...], split: SplitSpec | None) -> str:
    """Say why candidates and arms do not go together; empty when they do."""
    named = [each.arm for each in candidates if each.arm is not None]
    canaries = sum(each.canary is not None for each in candidates)
    if canaries and (split is not None or named):
        return "canary is a split of its own: it goes with neither split nor arm"
    if canaries > 1:
        return "one candidate can be the canary; write a split for more"
    if canaries == len(candidates):
        return "a canary needs a candidate beside it"
    if split is None:
        return "arm needs a split that says how large it is" if named else ""
    for name in named:
        if name not in split.arms:
            return f"the split has no arm '{name}'{suggestion(name, split.arms)}"
    empty = [name for name in split.arms if name not in named]
    return f"no candidate is of the arm '{empty[0]}'" if empty else ""
