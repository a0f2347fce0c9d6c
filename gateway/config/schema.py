"""``weighbridge.yaml`` as typed models: what each key may hold, and its default. Nothing is looked up here.

What the contract names and is not built yet is listed as :data:`NotYet`, so that it is refused by name. Fields carry
their unit in their name; their alias is the key in the file.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, WithJsonSchema, model_validator

from gateway.config.addresses import Address, parse_address, parse_base_url, parse_clickhouse
from gateway.config.alerts import AlertsSpec
from gateway.config.caching import CacheSpec
from gateway.config.drift import DriftSpec
from gateway.config.key_terms import parse_budget, parse_moment
from gateway.config.limits import LimitSpec
from gateway.config.provider_spec import ProviderSpec, Text
from gateway.config.redis import parse_redis
from gateway.config.references import SecretReference
from gateway.config.routing import ModelSpec
from gateway.config.telemetry import Delay, TelemetrySpec
from gateway.config.trust import TrustSpec
from gateway.config.units import parse_bytes, parse_duration
from gateway.config.validation import Many, Strict
from gateway.config.visitors import VisitorsSpec
from gateway.core.capture import Bodies
from gateway.core.limits import Budget

_TEXT = {"type": "string"}
Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    Field(gt=0),
    WithJsonSchema({"type": ["integer", "string"], "examples": ["32MiB"]}),
]
Seconds = Annotated[
    float, BeforeValidator(parse_duration), Field(gt=0), WithJsonSchema({**_TEXT, "examples": ["500ms", "10s", "30d"]})
]
HostPort = Annotated[
    InstanceOf[Address],
    BeforeValidator(parse_address),
    WithJsonSchema({**_TEXT, "examples": ["127.0.0.1:8080", "[::1]:8080"]}),
]
BaseUrl = Annotated[str, BeforeValidator(parse_base_url)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class TlsSpec(Strict):
    """Certificate and key, PEM files."""

    cert: Text
    key: Text


class ListenSpec(Strict):
    """The data plane's socket."""

    address: HostPort = Address("127.0.0.1", 8080)
    max_body_bytes: Bytes = 32 << 20
    header_timeout_s: Seconds = Field(10.0, validation_alias="header_timeout")
    tls: TlsSpec | None = None
    grpc: HostPort | None = None
    ext_proc: HostPort | None = None


class OperatorSpec(VisitorsSpec):
    """The operator plane's socket. Where nobody needs a token it may listen on loopback only."""

    address: HostPort = Address("127.0.0.1", 8081)
    token: SecretReference | None = None


def _state(url: str) -> str:
    if url.startswith(("redis://", "rediss://")):
        parse_redis(url)
    elif url != "memory://":
        raise ValueError("should be memory:// or redis://host:port/0")
    return url


def _traces(url: str) -> str:
    if url.startswith("clickhouse://"):
        parse_clickhouse(url)
    elif not url.startswith("chdb://") or not url.removeprefix("chdb://"):
        raise ValueError("should be chdb://PATH or clickhouse://user:env:VARIABLE@host:port/database")
    return url


def _key_store(url: str) -> str:
    if url != "home":
        parse_redis(url)
    return url


def _hints(url: str) -> str:
    parse_redis(url)
    return url


class SpoolSpec(Strict):
    """The local log that traces go through."""

    dir: Text | None = None
    max_bytes: Bytes = 4 << 30
    fsync_s: Seconds = Field(1.0, validation_alias="fsync")


class KeepExchangesSpec(Strict):
    """How long some columns of calls keep what they say."""

    key_id: Seconds | None = None
    session_id: Seconds | None = None
    tags: Seconds | None = None
    trace_id: Seconds | None = None
    span_id: Seconds | None = None


class KeepBodiesSpec(Strict):
    """The same of captured bodies."""

    user_id: Seconds | None = None
    request_body: Seconds | None = None
    response_body: Seconds | None = None


class KeepFeedbackSpec(Strict):
    """The same of judgements."""

    comment: Seconds | None = None
    author: Seconds | None = None


class KeepColumnsSpec(Strict):
    """What is emptied before its row goes."""

    exchanges: KeepExchangesSpec
    bodies: KeepBodiesSpec
    feedback: KeepFeedbackSpec


class KeepSpec(Strict):
    """How long rows of the trace store are kept."""

    exchanges: Seconds | None = None
    attempts: Seconds | None = None
    guard_events: Seconds | None = None
    mirrors: Seconds | None = None
    feedback: Seconds | None = None
    spend: Seconds | None = None
    spend_hours: Seconds | None = None
    spend_days: Seconds | None = None
    latency: Seconds | None = None
    latency_hours: Seconds | None = None
    rules: Seconds | None = None
    drift: Seconds | None = None
    columns: KeepColumnsSpec

    def ages_s(self) -> dict[str, int]:
        """Seconds, by what is kept for so long: a word of this section, or a table and a column of it."""
        given = self.model_dump(exclude_none=True)
        columns = given.pop("columns")
        told = {f"{table}.{name}": age for table, ages in columns.items() for name, age in ages.items()}
        return {name: int(age) for name, age in {**given, **told}.items()}


class StoresSpec(Strict):
    """Where state, hints, keys, traces and the spool are, and what seals the names of answers that providers keep."""

    state: Annotated[str, AfterValidator(_state)] = "memory://"
    state_timeout_s: Seconds | None = Field(None, validation_alias="state_timeout")
    on_store_error: Literal["local", "allow", "deny"] | None = None
    hints: Annotated[str, AfterValidator(_hints)] | None = None
    keys: Annotated[str, AfterValidator(_key_store)] | None = None
    traces: Annotated[str, AfterValidator(_traces)] | None = None
    cluster: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] | None = None
    async_inserts: bool = False
    keep: KeepSpec
    spool: SpoolSpec
    names_key: SecretReference | None = None

    @model_validator(mode="after")
    def _has_a_store_to_fail(self) -> StoresSpec:
        if self.state == "memory://" and (self.state_timeout_s is not None or self.on_store_error is not None):
            raise ValueError("state_timeout and on_store_error are for a state: redis://…")
        on_server = self.traces is not None and self.traces.startswith("clickhouse://")
        if not on_server and (self.cluster is not None or self.async_inserts):
            raise ValueError("cluster and async_inserts are for traces: clickhouse://…")
        return self


class CaptureSpec(Strict):
    """How much of the bodies is kept."""

    bodies: Bodies = "redacted"
    max_body_bytes: Bytes = 64 << 10
    ttl_s: Seconds = Field(30 * 86400.0, validation_alias="ttl")


# An operation's name, or a glob over routes.
Endpoint = Annotated[str, Field(pattern=r"^([a-z_]{1,64}|/\S{0,199})$")]
KeyBudget = Annotated[
    InstanceOf[Budget],
    BeforeValidator(parse_budget),
    WithJsonSchema({"type": ["string", "object"], "examples": ["5usd/month"]}),
]
Moment = Annotated[int, BeforeValidator(parse_moment), WithJsonSchema({**_TEXT, "examples": ["2027-02-01"]})]


class KeySpec(Strict):
    """A virtual key and whose it is."""

    id: Name
    key: SecretReference
    team: str = ""
    tenant: str = ""
    name: str = ""
    tags: dict[str, str] = {}
    models: Many[Text] = ()
    endpoints: Many[Endpoint] = ()
    may_tag: Many[Text] | None = None
    policies: Many[Literal["strict"]] = ()
    capture: Bodies | None = None
    budget: KeyBudget | None = None
    expires_s: Moment | None = Field(None, validation_alias="expires")


class IdentitySpec(TrustSpec):
    """How callers are told apart."""

    keys: Many[KeySpec] = ()

    @model_validator(mode="after")
    def _keys_and_modes_agree(self) -> Self:
        if "keys" not in self.asked and self.keys:
            raise ValueError(f"keys are given but mode is {' and '.join(self.asked) or 'open'}; set mode: keys")
        return self


class ModelRunnerSpec(Strict):
    """What runs the models that policies ask."""

    backend: Literal["onnx", "triton"] = "onnx"
    url: BaseUrl | None = None
    timeout_s: Seconds = Field(2.0, validation_alias="timeout")
    threads: Annotated[int, Field(ge=1, le=256)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.backend == "triton" and self.url is None:
            raise ValueError("backend triton needs the url of the server")
        if self.backend == "onnx" and self.url is not None:
            raise ValueError("url is for backend triton")
        if self.backend == "triton" and self.threads is not None:
            raise ValueError("threads are for backend onnx")
        return self


class PoliciesSpec(Strict):
    """Which policy files are in force."""

    dir: Text = "policies"
    bundle: Many[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")]] = ("baseline.yaml",)
    reload_s: Seconds = Field(2.0, validation_alias="reload")
    models: ModelRunnerSpec = Field(default_factory=lambda: ModelRunnerSpec.model_validate({}))


class PricesSpec(Strict):
    """What models cost."""

    source: Literal["genai-prices"] = "genai-prices"
    overrides: Text | None = None


PluginName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$")]


class FileSpec(Strict):
    """The whole of ``weighbridge.yaml``."""

    version: Literal[1]
    listen: ListenSpec
    operator: OperatorSpec
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    drain_delay_s: Delay = Field(0.0, validation_alias="drain_delay")
    drain_timeout_s: Seconds = Field(30.0, validation_alias="drain_timeout")
    stores: StoresSpec
    capture: CaptureSpec
    providers: dict[Name, ProviderSpec] = {}
    models: Many[ModelSpec] = ()
    identity: IdentitySpec
    limits: Many[LimitSpec] = ()
    cache: CacheSpec
    policies: PoliciesSpec
    prices: PricesSpec
    telemetry: TelemetrySpec
    alerts: AlertsSpec
    drift: DriftSpec
    plugins: Many[PluginName] = ()
