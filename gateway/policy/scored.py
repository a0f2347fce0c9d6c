"""Detectors that ask a model, beside rules and patterns of their own or alone: what each may hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeGuard, cast

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.config.units import parse_bytes
from gateway.config.validation import Many, NotYet
from gateway.core.scored import NAMES
from gateway.policy.options import Count, Detector, NoTable, Rate, Seconds, Share, StreamMode, Text
from gateway.policy.views import Views

Country = Annotated[str, Field(pattern=r"^[A-Za-z]{2}$"), WithJsonSchema({"type": "string", "examples": ["DE"]})]
Entity = Literal[
    "CARD", "IBAN", "BIC", "EMAIL", "PHONE", "IP", "MAC", "IMEI", "CRYPTO", "US_SSN", "NATIONAL_ID", "PASSPORT",
    "MEDICAL_ID", "PERSON", "ADDRESS",
]  # fmt: skip
Category = Literal["insult", "threat", "identity_attack", "sexual", "self_harm", "violence"]


def _is_level(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 4


def _level(value: object) -> object:
    """Read ``2`` or ``{enforce: 1, detect: 3}``."""
    if isinstance(value, dict):
        written = cast("dict[str, object]", value)
        enforce, detect = written.get("enforce"), written.get("detect")
        if set(written) == {"enforce", "detect"} and _is_level(enforce) and _is_level(detect) and enforce <= detect:
            return written
    elif _is_level(value):
        return value
    raise ValueError("should be 1, 2, 3 or 4, or {enforce: 1, detect: 3}, where detect is at least enforce")


_LEVEL_NUMBER = {"type": "integer", "minimum": 1, "maximum": 4}
Level = Annotated[
    Any,
    BeforeValidator(_level),
    WithJsonSchema(
        {
            "anyOf": [
                _LEVEL_NUMBER,
                {
                    "type": "object",
                    "description": "What acts, and what is only recorded.",
                    "properties": {"enforce": _LEVEL_NUMBER, "detect": _LEVEL_NUMBER},
                    "required": ["enforce", "detect"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class Scored(Detector):
    """A detector whose findings have scores that a model gives."""

    min_score: Share = 0.0
    target_fpr: Rate | None = None
    timeout_s: Seconds = Field(0.0, validation_alias="timeout")
    stream: StreamMode | None = None

    @property
    def asks_a_model(self) -> bool:
        """Whether it does, by what is written."""
        return True

    @model_validator(mode="after")
    def _makes_sense(self) -> Scored:
        if self.target_fpr is not None and "min_score" in self.model_fields_set:
            raise ValueError("target_fpr and min_score both say where a finding begins; give one")
        if not self.asks_a_model:
            for name, key in (("target_fpr", "target_fpr"), ("timeout_s", "timeout"), ("stream", "stream")):
                if name in self.model_fields_set:
                    raise ValueError(f"{key} is about a model, and this asks none{self.remedy()}")
        return self

    def remedy(self) -> str:
        """What makes it ask one."""
        return ""


class PiiDetector(Scored):
    """Identifiers of persons, accounts and devices; names and addresses by a model."""

    use: Literal["pii"]
    entities: Annotated[Many[Entity], Field(min_length=1)]
    countries: Many[Country] = ()
    regions: Many[Country] = ()
    require: Literal["checksum_or_context", "checksum", "any"] = "checksum_or_context"
    private_ips: bool = False
    allow: Many[Text] = ()
    model: NotYet = None

    @property
    def asks_a_model(self) -> bool:
        """Whether an entity needs one."""
        return bool(set(self.entities) & set(NAMES))

    def remedy(self) -> str:
        """What makes it ask one."""
        return "; the entities PERSON and ADDRESS do"


class InjectionDetector(Scored):
    """Attempts to give orders to the model, by rules over many views of a text, and by a model where one is wanted."""

    use: Literal["injection"]
    rules: Text = "injection"
    level: Level = 1
    views: Views = "all"
    model: NotYet = None

    @property
    def asks_a_model(self) -> bool:
        """Whether it is said how sure a model must be."""
        return self.target_fpr is not None or self.min_score > 0

    def remedy(self) -> str:
        """What makes it ask one."""
        return "; target_fpr or min_score do that"


class ToxicityDetector(Scored):
    """Insults, threats, hate, sexual content, self-harm and violence, by lists and models together."""

    use: Literal["toxicity"]
    categories: Many[Category] = ()

    @model_validator(mode="after")
    def _has_a_mark(self) -> ToxicityDetector:
        if self.target_fpr is None and not self.min_score:
            raise ValueError("give target_fpr (1% of benign texts), or min_score: no score means anything by itself")
        return self


class JudgeDetector(Detector):
    """A model of the gateway's own aliases that judges by a rubric, beside the call."""

    use: Literal["judge"]
    model: Text
    rubric: Annotated[str, Field(min_length=1, max_length=20_000)]
    max_in_flight: Annotated[int, Field(ge=1, le=1_000)] = 8
    max_chars: Count = 20_000
    max_tokens: Annotated[int, Field(ge=16, le=4_096)] = 256
    timeout_s: Seconds = Field(20.0, validation_alias="timeout")
    min_score: Share = 0.0
    target_fpr: NoTable = None


Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    Field(ge=1024, le=32 << 20),
    WithJsonSchema({"type": "string", "examples": ["8MiB"]}),
]


class ImageTextDetector(Detector):
    """Text in images, read beside the call and judged by other detectors as what a stranger wrote."""

    use: Literal["image_text"]
    detectors: Annotated[Many[Text], Field(min_length=1)]
    max_images: Annotated[int, Field(ge=1, le=64)] = 8
    max_bytes: Bytes = 8 << 20
    max_pixels: Annotated[int, Field(ge=10_000, le=100_000_000)] = 24_000_000
    timeout_s: Seconds = Field(20.0, validation_alias="timeout")
    min_score: Share = 0.0
    target_fpr: NoTable = None


def asks_model(spec: Detector) -> bool:
    """Whether a detector asks a model of ours, by what is written."""
    return isinstance(spec, Scored) and spec.asks_a_model
