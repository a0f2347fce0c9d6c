"""The section ``telemetry``: what it may hold, and the settings that are made of it."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.config.addresses import parse_base_url
from gateway.config.otlp import Keep, Otlp
from gateway.config.references import References, SecretReference
from gateway.config.source import Document
from gateway.config.units import parse_duration, parse_percent
from gateway.config.validation import Strict, not_yet

_NANO = 10**9
_SPAN = WithJsonSchema({"type": "string", "examples": ["10s", "1m"]})
_Timeout = Annotated[float, BeforeValidator(parse_duration), Field(ge=0.1, le=60), _SPAN]
_Every = Annotated[float, BeforeValidator(parse_duration), Field(ge=1, le=3600), _SPAN]
_Slow = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=86_400), _SPAN]
_Share = Annotated[
    float, BeforeValidator(parse_percent), WithJsonSchema({"type": "string", "examples": ["100%", "5%"]})
]
Delay = Annotated[
    float, BeforeValidator(parse_duration), Field(ge=0), WithJsonSchema({"type": "string", "examples": ["0s", "15s"]})
]
# As gRPC wants names to be; HTTP does not mind.
_Header = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$")]
_Attribute = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,99}$")]
_Value = Annotated[str, Field(min_length=1, max_length=256)]
# The transport's own, and what would break its framing.
_OURS = frozenset(
    {"content-type", "content-length", "content-encoding", "host", "te", "transfer-encoding", "connection"}
)


def _served(value: object) -> object:
    if value is False:
        raise not_yet("turning /metrics off")
    return value


class KeepSpec(Strict):
    """Which calls are told of whatever the share of the others."""

    errors: bool = True
    blocks: bool = True
    slow_s: _Slow | None = Field(None, validation_alias="slow")
    cost_usd: Annotated[int | float, Field(gt=0, le=1_000_000)] | None = None


class OtlpSpec(Strict):
    """Where spans and metrics are sent to."""

    endpoint: Annotated[str, BeforeValidator(parse_base_url)]
    protocol: Literal["grpc", "http"] = "grpc"
    headers: dict[_Header, SecretReference] = {}
    timeout_s: _Timeout = Field(10.0, validation_alias="timeout")
    compression: Literal["gzip", "none"] = "gzip"
    traces: bool = True
    metrics: bool = True
    every_s: _Every = Field(60.0, validation_alias="every")
    resource: dict[_Attribute, _Value] = {}
    keep: KeepSpec

    @model_validator(mode="after")
    def _fits(self) -> Self:
        parts = urlsplit(self.endpoint)
        if self.protocol == "grpc" and (parts.path or parts.port is None):
            raise ValueError("the endpoint of protocol grpc is host and port, such as http://otel:4317")
        if not (self.traces or self.metrics):
            raise ValueError("sends traces, metrics or both")
        taken = sorted(name for name in self.headers if name in _OURS or name.startswith("grpc-"))
        if taken:
            raise ValueError(f"the header {taken[0]} is the protocol's own")
        return self


class TelemetrySpec(Strict):
    """What is told to other systems."""

    otlp: OtlpSpec | None = None
    prometheus: Annotated[bool, BeforeValidator(_served)] = True
    sample: _Share = 1.0
    compare_estimates_s: Delay | None = Field(None, validation_alias="compare_estimates")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.sample < 1 and (self.otlp is None or not self.otlp.traces):
            raise ValueError("sample is the share of calls whose spans are sent: it needs otlp")
        return self


def otlp_from(spec: TelemetrySpec, references: References, document: Document) -> Otlp | None:
    """Make settings; ``None`` when nothing is sent."""
    otlp = spec.otlp
    if otlp is None:
        return None
    headers = {
        name: references.resolve(reference, document, ("telemetry", "otlp", "headers", name))
        for name, reference in otlp.headers.items()
    }
    cost_usd = otlp.keep.cost_usd
    return Otlp(
        endpoint=otlp.endpoint,
        protocol=otlp.protocol,
        headers={name: secret for name, secret in headers.items() if secret is not None},
        timeout_s=otlp.timeout_s,
        compress=otlp.compression == "gzip",
        traces=otlp.traces,
        metrics=otlp.metrics,
        every_s=otlp.every_s,
        resource=otlp.resource,
        sample=spec.sample,
        keep=Keep(
            errors=otlp.keep.errors,
            blocks=otlp.keep.blocks,
            slow_s=otlp.keep.slow_s,
            costly_nanousd=None if cost_usd is None else round(cost_usd * _NANO),
        ),
    )
