"""The section ``drift``: what it may hold, and the settings that are made of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.config.drifting import Drift
from gateway.config.units import parse_duration, parse_percent
from gateway.config.validation import Strict
from gateway.core.drift import Thresholds
from gateway.core.drift_hours import HOUR_S, Span

_TIME = WithJsonSchema({"type": "string", "examples": ["6h", "10m"]})
_Every = Annotated[float, BeforeValidator(parse_duration), Field(ge=1, le=86_400), _TIME]
_Share = Annotated[
    float, BeforeValidator(parse_percent), Field(gt=0, le=1), WithJsonSchema({"type": "string", "examples": ["2%"]})
]


def _hours(value: object) -> int:
    seconds = parse_duration(value)
    if seconds % HOUR_S:
        raise ValueError("should be whole hours")
    return round(seconds / HOUR_S)


class DriftThresholdsSpec(Strict):
    """What is worth telling."""

    rate: _Share = 0.02
    psi: Annotated[float, Field(ge=0.01, le=10)] = 0.2
    shift: Annotated[
        float, BeforeValidator(parse_percent), Field(gt=0), WithJsonSchema({"type": "string", "examples": ["25%"]})
    ] = 0.25
    questions: Annotated[float, Field(ge=0.001, le=1)] = 0.05
    min_calls: Annotated[int, Field(ge=10, le=1_000_000)] = 100


class DriftSpec(Strict):
    """Whether calls are still like those before."""

    enabled: bool = True
    every_s: _Every = Field(600.0, validation_alias="every")
    window: Annotated[
        int, BeforeValidator(_hours), Field(ge=1, le=24), WithJsonSchema({"type": "string", "examples": ["6h"]})
    ] = 6
    weeks: Annotated[int, Field(ge=3, le=12)] = 4
    sample: Annotated[int, Field(ge=0, le=1_000)] = 50
    embed: bool = True
    subjects: Annotated[int, Field(ge=1, le=1_000)] = 50
    thresholds: DriftThresholdsSpec = Field(default_factory=lambda: DriftThresholdsSpec.model_validate({}))


def drift_from(spec: DriftSpec) -> Drift | None:
    """Make settings; ``None`` when nothing is to be compared."""
    if not spec.enabled:
        return None
    wanted = spec.thresholds
    return Drift(
        every_s=spec.every_s,
        span=Span(hours=spec.window, weeks=spec.weeks),
        thresholds=Thresholds(
            rate=wanted.rate, psi=wanted.psi, shift=wanted.shift, vectors=wanted.questions, calls=wanted.min_calls
        ),
        sample=spec.sample,
        embed=spec.embed,
        subjects=spec.subjects,
    )
