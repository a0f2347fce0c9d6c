"""The configuration in force: plain frozen values, every reference resolved, every path absolute.

What a process is built from. Nothing here knows where a value came from; ``config_hash`` names the whole, on every
record.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec
import orjson

from gateway.config.addresses import Address
from gateway.config.alerting import Alerts
from gateway.config.drifting import Drift
from gateway.config.otlp import Otlp
from gateway.config.redis import RedisStore, SharedCounting
from gateway.config.references import Secret
from gateway.core.cache_rules import CacheRules
from gateway.core.capture import Bodies
from gateway.core.chat_template import TemplateSource
from gateway.core.exchange import RoutePolicy, Timeouts
from gateway.core.limits import Budget, LimitRule
from gateway.core.losses import OnUnsupported
from gateway.core.prices import PriceRow
from gateway.core.route_rules import RouteWhen
from gateway.core.server_load import LoadSource
from gateway.core.trust import ClaimNames, MeshTrust, Mode, RoleTrust, TokenTrust


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Certificate and key, PEM files."""

    cert: Path
    key: Path


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """The data plane's socket and what it accepts.

    Attributes:
        grpc: Where clients of Triton by gRPC are served, if at all.
        ext_proc: Where Envoy asks about what passes through it, if it does.
    """

    address: Address
    max_body_bytes: int
    header_timeout_s: float
    tls: Tls | None = None
    grpc: Address | None = None
    ext_proc: Address | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a token of their own on the operator plane, and what they may do."""

    name: str
    token: Secret
    roles: tuple[str, ...]


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """The operator plane's socket. Whenever the address can be reached from outside, somebody needs a token."""

    address: Address
    token: Secret | None = None
    people: tuple[Person, ...] = ()
    visitors: RoleTrust | None = None


class ChdbStore(msgspec.Struct, frozen=True, kw_only=True):
    """Traces in an embedded database in this folder."""

    path: Path


class ClickHouseStore(msgspec.Struct, frozen=True, kw_only=True):
    """Traces in a ClickHouse server, over HTTP.

    Attributes:
        cluster: Spreads the tables over this cluster; empty for one server.
        async_inserts: The server gathers the inserts of many gateways.
    """

    address: Address
    database: str
    user: str
    password: Secret | None = None
    cluster: str = ""
    async_inserts: bool = False


class Spool(msgspec.Struct, frozen=True, kw_only=True):
    """The local log that traces go through."""

    dir: Path
    max_bytes: int
    fsync_s: float


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the bodies is kept, and for how long."""

    bodies: Bodies
    max_body_bytes: int
    ttl_s: float


# Stands for the model's name as the client wrote it.
CLIENTS_NAME = "{model}"


class EntraEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An application of Microsoft Entra: see :class:`gateway.core.entra_account.EntraAccount`."""

    authority: str
    tenant: str = ""
    client_id: str = ""
    secret: Secret | None = None
    token_file: str = ""
    managed: bool = False


class ProviderEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves models.

    Attributes:
        base_url: Without a trailing slash; empty for ``sim``. Of ``vertex``, with project and location.
        api_key: Our credential. Without one, none is sent.
        credentials: A service account's key file, of ``vertex``.
        account: Whose keys requests are signed with, of ``bedrock``, as :mod:`gateway.core.aws_account` writes it.
        region: Where they are sent, of ``bedrock``.
        entra: The application that we are, of ``azure``, where that is not proved by a key.
        passes_credential: The client's own credential goes on to this provider (transparent mode).
        on_unsupported: What becomes of a field that the provider's dialect cannot carry.
        model: The one model it serves, whatever the client calls it; empty keeps the client's name.
        template: How its models are spoken to, of ``triton``: by its name, or as it was written.
        template_file: Where that stands.
        api_version: Of Azure's API; empty for all others.
        load: Where it says how busy it is, if anywhere.
    """

    name: str
    kind: Literal["openai", "anthropic", "azure", "gemini", "vertex", "bedrock", "triton", "sim"]
    base_url: str
    api_key: Secret | None = None
    credentials: Secret | None = None
    account: Secret | None = None
    region: str = ""
    entra: EntraEntry | None = None
    passes_credential: bool = False
    on_unsupported: OnUnsupported = "reject"
    model: str = ""
    template: str | TemplateSource = ""
    template_file: Path | None = None
    api_version: str = ""
    load: LoadSource | None = None


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves a model name.

    Attributes:
        alias: A name as clients send it, or a glob over such names.
        provider: A key of ``Settings.providers``.
        model: The name the provider knows; ``{model}`` in it stands for the name the client sent, ``{star}`` for what
            the alias' ``*`` stands for.
        on_unsupported: As the provider's; ``None``: what holds for the provider.
        weight: Of the alias' calls, where these are spread by weights.
        max_concurrency: The most calls that it is given at once; 0 for any number.
        context_window: Tokens that a request and its answer may have together; 0: as the price list has it.
        fallback: It steps in only when no other entry of the alias can.
        when: Which requests it is for; empty for all.
        arm: Of the alias' split; empty for all of them.
    """

    alias: str
    provider: str
    model: str = CLIENTS_NAME
    timeouts: Timeouts = Timeouts()
    on_unsupported: OnUnsupported | None = None
    weight: int = 1
    max_concurrency: int = 0
    context_window: int = 0
    fallback: bool = False
    when: RouteWhen = ()
    arm: str = ""


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key that the file declares; see :class:`gateway.core.keys.Grant`."""

    id: str
    secret: Secret
    team: str = ""
    tenant: str = ""
    name: str = ""
    tags: dict[str, str] = {}
    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    settable: tuple[str, ...] | None = None
    strict: bool = False
    capture: Bodies | None = None
    budget: Budget | None = None
    expires_s: int | None = None


class ModelRunner(msgspec.Struct, frozen=True, kw_only=True):
    """What runs the models that policies ask.

    Attributes:
        backend: In this process, or on a Triton server.
        url: The server's HTTP address; empty for models in this process.
        timeout_s: How long one call of a model may take.
        threads: How many threads of a worker compute; 0 for one less than there are cores.
    """

    backend: Literal["onnx", "triton"] = "onnx"
    url: str = ""
    timeout_s: float = 2.0
    threads: int = 0


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """The policy files in force, in order, each with the name that messages give it; and what runs their models."""

    files: tuple[tuple[str, Path], ...]
    reload_s: float
    models: ModelRunner = ModelRunner()


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What models cost: the source's own list, and rows that go before it."""

    source: Literal["genai-prices"] = "genai-prices"
    rows: tuple[PriceRow, ...] = ()
    path: Path | None = None


class Intercept(msgspec.Struct, frozen=True, kw_only=True):
    """Programs reach us as their proxy, or are sent here, and mean other hosts.

    Attributes:
        certificate: Of the authority that signs for these hosts.
        key: Its key.
        only_models: Hosts that serve no models are refused.
    """

    certificate: Path
    key: Path
    only_models: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration in force.

    Attributes:
        home: Where the gateway keeps its data.
        file: The configuration file, if there was one.
        transparent: Everything goes to the one provider ``upstream``, with the client's own credential.
        operator: ``None`` when there is to be no operator plane.
        routes: How the calls of an alias are spread over its entries, and tried again; without one, the first entry
            serves them all.
        mirrors: Who gets copies of an alias' calls, where its route wants that.
        hints: Where gateways tell one another which deployments they leave alone; ``None`` for nowhere.
        keys: The virtual keys that are declared.
        key_store: Where all others are; ``None`` for the home.
        compare_estimates_s: One call in this time is estimated although its usage was reported; 0 for none, ``None``
            for what is usual with the memory there is.
        modes: The ways in which callers say who they are, in order; none where nobody is asked.
        tokens: Whose tokens are believed, and which claims say what; ``None`` where tokens are not asked for.
        mesh: Who may speak for certificates; ``None`` where nobody may.
        state: Where limits are counted by all workers together; ``None`` for in this process.
        names_key: Seals the names of answers that providers keep; without one, the home has its own.
        alerts: What money should give notice of, if anything, and who is told.
        drift: What calls are compared by with those before; ``None`` for nothing.
        intercept: How programs are served that know nothing of us; ``None`` where there are none.
        cache: Which answers are given again; ``None`` for none.
        otlp: Where spans and metrics are sent to; ``None`` for nowhere.
        cache_redis: Where they are kept, if in Redis.
        plugins: Names of the plugins whose code is loaded.
        config_hash: Digest of all the above without secrets and without the place it lies in, 12 hexadecimal digits.
    """

    home: Path
    file: Path | None
    transparent: bool
    listen: Listen
    operator: Operator | None
    workers: int
    drain_delay_s: float
    drain_timeout_s: float
    traces: ChdbStore | ClickHouseStore
    keep_s: dict[str, int]
    spool: Spool
    capture: Capture
    providers: dict[str, ProviderEntry]
    models: tuple[ModelEntry, ...]
    modes: tuple[Mode, ...]
    keys: tuple[KeyEntry, ...]
    limits: tuple[LimitRule, ...]
    policies: Policies
    prices: Prices
    prometheus: bool
    compare_estimates_s: float | None = 0.0
    routes: dict[str, RoutePolicy] = {}
    mirrors: tuple[ModelEntry, ...] = ()
    hints: RedisStore | None = None
    key_store: RedisStore | None = None
    state: SharedCounting | None = None
    names_key: Secret | None = None
    alerts: Alerts | None = None
    drift: Drift | None = Drift()
    cache: CacheRules | None = None
    otlp: Otlp | None = None
    cache_redis: RedisStore | None = None
    tokens: tuple[TokenTrust, ClaimNames] | None = None
    mesh: MeshTrust | None = None
    plugins: tuple[str, ...] = ()
    intercept: Intercept | None = None
    config_hash: str = ""

    @property
    def counted_apart(self) -> bool:
        """Several workers count what callers may take, each for itself."""
        return self.workers > 1 and self.state is None


def config_hash(settings: Settings, bases: tuple[Path, ...]) -> str:
    """Digest a configuration.

    Args:
        settings: What to digest; its own ``config_hash`` is left out.
        bases: Paths below one of these folders count by what follows it, so that the same files elsewhere give the same
            digest.

    Returns:
        12 hexadecimal digits. Secrets count by their reference, never by their value.
    """

    def encode(value: Any) -> Any:
        if isinstance(value, Secret):
            return value.reference
        if isinstance(value, Path):
            return next((str(value.relative_to(base)) for base in bases if value.is_relative_to(base)), str(value))
        raise TypeError(type(value).__name__)

    plain = msgspec.to_builtins(msgspec.structs.replace(settings, config_hash=""), enc_hook=encode)
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
