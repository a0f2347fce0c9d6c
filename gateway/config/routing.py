"""The section ``models`` as typed models: who serves a model name, and what happens when one of them fails."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gateway.config.units import parse_duration, parse_percent
from gateway.config.validation import Many, NotYet, Strict, not_yet
from gateway.core.exchange import CAUSES, Cause, Strategy
from gateway.core.losses import OnUnsupported

_TEXT = {"type": "string"}
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Seconds = Annotated[
    float, BeforeValidator(parse_duration), Field(gt=0), WithJsonSchema({**_TEXT, "examples": ["500ms", "10s", "30d"]})
]
Share = Annotated[
    float, BeforeValidator(parse_percent), Field(gt=0, le=1), WithJsonSchema({**_TEXT, "examples": ["50%"]})
]
AtLeastOne = Annotated[int, Field(ge=1)]


class CandidateSpec(Strict):
    """One deployment that may serve an alias. ``{model}`` stands for the name the client sent."""

    provider: Text
    model: Text = "{model}"
    weight: AtLeastOne = 1
    concurrency: AtLeastOne | None = None


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


def _later(value: object) -> object:
    if value == "when-rules":
        raise not_yet("strategy 'when-rules'")
    return value


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
    strategy: Annotated[Strategy, BeforeValidator(_later)] | None = None
    fallback: Many[Text] = ()
    retry: RetrySpec | None = None
    breaker: BreakerSpec | None = None
    queue: QueueSpec | None = None
    outlier: OutlierSpec | None = None
    hedge: NotYet = None
    mirror: NotYet = None
