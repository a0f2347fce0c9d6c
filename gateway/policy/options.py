"""What detectors of every kind have in common as models, and the small types their options are made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.config.units import parse_duration, parse_percent
from gateway.config.validation import Strict

LIST_NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
ListName = Annotated[str, Field(pattern=LIST_NAME)]
Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(gt=0, le=60),
    WithJsonSchema({"type": "string", "examples": ["300ms", "2s"]}),
]


def _rate(value: object) -> float:
    """Read a share of benign texts, ``1%``."""
    share = parse_percent(value)
    if not 0 < share <= _MOST:
        raise ValueError(f"should be more than 0% and at most {_MOST:.0%} of benign texts")
    return share


def _no_table(_: object) -> None:
    raise ValueError(
        "there is no table of benign texts for this detector; give min_score, which weighbridge policy tune finds "
        "in your own traffic"
    )


# Who takes more than that for benign has no use for a detector.
_MOST = 0.2
Rate = Annotated[
    float,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,2}(\.[0-9]{1,6})?\s*%$", "examples": ["1%", "0.5%"]}),
]
NoTable = Annotated[None, BeforeValidator(_no_table), WithJsonSchema({"not": {}, "description": "give min_score"})]
StreamMode = Literal["strict", "balanced"]


class Detector(Strict):
    """What every detector has, beside ``use``."""

    def options(self) -> dict[str, Any]:
        """What is written in the file, by the names of the file, as plain values."""
        return {key: value for key, value in plain(self).items() if key not in ("use", "min_score", "timeout")}

    @property
    def least_score(self) -> float:
        """Findings below do not count."""
        return float(getattr(self, "min_score", 0.0))

    @property
    def time_limit_s(self) -> float:
        """How long it may take; 0 for what waits for nobody."""
        return float(getattr(self, "timeout_s", 0.0))


def plain(value: Any) -> Any:
    """Return a model as mappings and lists, without what is not written."""
    if isinstance(value, Strict):
        fields = type(value).model_fields
        return {
            str(fields[name].validation_alias or name): plain(getattr(value, name))
            for name in fields
            if name in value.model_fields_set and getattr(value, name) is not None
        }
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in cast("dict[str, Any]", value).items()}
    return value
