"""Where a model server's own load is read, as the configuration file says it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gateway.config.addresses import parse_base_url
from gateway.config.units import parse_duration
from gateway.config.validation import Strict
from gateway.core.server_load import LoadSource, ServerKind


def _metrics(url: str) -> str:
    return url if urlsplit(url).path else url + "/metrics"


MetricsUrl = Annotated[str, BeforeValidator(parse_base_url), AfterValidator(_metrics)]
Interval = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(ge=0.1, le=60.0),
    WithJsonSchema({"type": "string", "examples": ["500ms", "1s"]}),
]


class LoadSpec(Strict):
    """The metrics of a model server. Without a path in ``url``, ``/metrics`` is read."""

    kind: ServerKind
    url: MetricsUrl
    every_s: Interval = Field(1.0, validation_alias="every")


def load_source(spec: LoadSpec | None) -> LoadSource | None:
    """Give what the settings hold of it."""
    return None if spec is None else LoadSource(kind=spec.kind, url=spec.url, every_s=spec.every_s)
