"""From the checked file and what stands outside it to settings: overrides, references, paths and defaults resolved."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.config.addresses import Address, parse_address, parse_base_url, parse_clickhouse, points_at
from gateway.config.alerts import alerts_from
from gateway.config.aws import MODELS, Amazon, find_amazon
from gateway.config.caching import cache_rules
from gateway.config.chat_template import load_template
from gateway.config.declared_keys import key_entries
from gateway.config.drift import drift_from
from gateway.config.entra import entra_entry
from gateway.config.environment import OPENAI_URL, SIM, Outside, providers_from, shown
from gateway.config.interception import interception
from gateway.config.natives import AZURE_VERSION, NATIVES, azure_url, vertex_url
from gateway.config.price_leaps import KnownPrices, known_prices
from gateway.config.prices import load_prices
from gateway.config.provider_spec import ProviderSpec
from gateway.config.redis import RedisStore, redis_store, shared_counting
from gateway.config.references import References, Secret, secret_fault
from gateway.config.routes import mirror_entries, model_entries, route_policies
from gateway.config.schema import CaptureSpec, FileSpec, SpoolSpec, StoresSpec
from gateway.config.server_load import load_source
from gateway.config.settings import (
    Capture,
    ChdbStore,
    ClickHouseStore,
    KeyEntry,
    Listen,
    ModelEntry,
    ModelRunner,
    Operator,
    Policies,
    Prices,
    ProviderEntry,
    Settings,
    Spool,
    Tls,
)
from gateway.config.shipped import shipped_policies_dir
from gateway.config.source import Document, NodePath, Problem
from gateway.config.telemetry import otlp_from
from gateway.config.trust import token_trust
from gateway.config.visitors import people_of, role_trust
from gateway.core.service_account import read_service_account
from gateway.core.stored import KEY_BYTES

T = TypeVar("T")

_BEARER_VARIABLE = "WEIGHBRIDGE_OPERATOR_TOKEN"


class Builder:
    """Builds settings and keeps everything that stands in the way.

    Args:
        spec: The checked file, or the defaults when there is none.
        document: Where ``spec`` came from.
        base: The folder that relative paths of the file start from.
        outside: Flags and environment.
    """

    def __init__(self, spec: FileSpec, document: Document, base: Path, outside: Outside) -> None:
        self.spec = spec
        self.document = document
        self.base = base
        self.outside = outside
        self.references = References(outside.environ, base)
        self.problems: list[Problem] = []
        self.notices: list[str] = []

    def build(self, file: Path | None) -> Settings:
        """Build the settings; they are fit for use only when ``problems`` stays empty."""
        spec, upstream, listen = self.spec, self._upstream(), self._listen()
        providers = self._providers(listen.address, upstream)
        settings = Settings(
            home=self.outside.home,
            file=file,
            transparent=upstream is not None,
            listen=listen,
            operator=self._operator(),
            workers=self._override("workers", _worker_count, spec.workers),
            drain_delay_s=spec.drain_delay_s,
            drain_timeout_s=spec.drain_timeout_s,
            traces=_traces(spec.stores, self.outside.home, self.base, self.references, self.document),
            keep_s=spec.stores.keep.ages_s(),
            spool=_spool(spec.stores.spool, self.outside.home, self.base),
            names_key=self._names_key(),
            key_store=self._key_store(),
            state=shared_counting(spec.stores, self.references, self.document),
            hints=redis_store(spec.stores.hints, self.references, self.document, ("stores", "hints")),
            capture=_capture(spec.capture),
            providers=providers,
            models=self._models(providers, upstream),
            routes={} if upstream is not None else route_policies(self.spec.models),
            mirrors=() if upstream is not None else mirror_entries(self.spec.models),
            modes=spec.identity.asked,
            tokens=token_trust(spec.identity),
            mesh=spec.identity.mesh(),
            keys=self._keys(),
            limits=tuple(limit.rule() for limit in spec.limits),
            policies=self._policies(),
            prices=self._prices(),
            prometheus=spec.telemetry.prometheus,
            cache=cache_rules(spec.cache, spec.models),
            cache_redis=redis_store(spec.cache.redis, self.references, self.document, ("cache", "store")),
            alerts=alerts_from(spec.alerts, self.references, self.document),
            drift=drift_from(spec.drift),
            otlp=otlp_from(spec.telemetry, self.references, self.document),
            compare_estimates_s=spec.telemetry.compare_estimates_s,
            plugins=spec.plugins,
            intercept=interception(self.outside, self.problems, tls=bool(listen.tls), transparent=bool(upstream)),
        )
        self.problems += self.references.problems
        return settings

    def _problem(self, path: NodePath, message: str) -> None:
        self.problems.append(self.document.problem(path, message))

    def _override(self, name: str, parse: Callable[[str], T], default: T) -> T:
        if (override := self.outside.get(name)) is None:
            return default
        try:
            return parse(override.value)
        except ValueError as error:
            self.problems.append(Problem(override.source, 0, str(error)))
            return default

    def _path(self, path: NodePath, written: str, *, must_exist: bool = True) -> Path:
        found = self.base / written
        if must_exist and not found.is_file():
            self._problem(path, "no such file")
        return found

    def _listen(self) -> Listen:
        spec = self.spec.listen
        tls = spec.tls and Tls(
            cert=self._path(("listen", "tls", "cert"), spec.tls.cert),
            key=self._path(("listen", "tls", "key"), spec.tls.key),
        )
        return Listen(
            address=self._override("listen", parse_address, spec.address),
            max_body_bytes=spec.max_body_bytes,
            header_timeout_s=spec.header_timeout_s,
            tls=tls,
            grpc=spec.grpc,
            ext_proc=self._override("ext_proc", parse_address, spec.ext_proc),
        )

    def _operator(self) -> Operator | None:
        if self.outside.options.no_operator:
            return None
        spec = self.spec.operator
        address = self._override("operator", parse_address, spec.address)
        written, from_outside = spec.token, self.outside.environ.get(_BEARER_VARIABLE)
        token = self._operator_token(address, written, from_outside)
        people, visitors = people_of(spec, self.references, self.document), role_trust(spec)
        if not (address.is_loopback or written or from_outside or people or visitors):
            override = self.outside.get("operator")
            message = f"{address} is no loopback address: set operator.token or {_BEARER_VARIABLE}"
            where = self.document.problem(("operator", "address"), message)
            self.problems.append(where if override is None else Problem(override.source, 0, message))
        return Operator(address=address, token=token, people=people, visitors=visitors)

    def _operator_token(self, address: Address, written: str | None, from_outside: str | None) -> Secret | None:
        by_variable = f"env:{_BEARER_VARIABLE}"
        if from_outside:
            fault = secret_fault(from_outside)
            if fault:
                self.problems.append(Problem(_BEARER_VARIABLE, 0, fault))
            return Secret(from_outside, by_variable)
        if written == by_variable and address.is_loopback:
            # The documented default line; on loopback it means "a token if there is one".
            self.notices.append(f"{_BEARER_VARIABLE} is not set; the operator plane asks for no token on loopback")
            return None
        return self.references.resolve(written, self.document, ("operator", "token"))

    def _names_key(self) -> Secret | None:
        path = ("stores", "names_key")
        secret = self.references.resolve(self.spec.stores.names_key, self.document, path)
        if secret is not None and len(secret.reveal().encode()) < KEY_BYTES:
            self._problem(path, f"should be at least {KEY_BYTES} bytes")
        return secret

    def _upstream(self) -> ProviderEntry | None:
        override = self.outside.get("upstream")
        if override is None:
            return None
        url = self._override("upstream", parse_base_url, OPENAI_URL)
        if points_at(url, self._override("listen", parse_address, self.spec.listen.address)):
            self.problems.append(Problem(override.source, 0, "is this gateway's own address"))
        if self.spec.providers or self.spec.models:
            self.notices.append(
                f"{override.source} is given: providers and models of {self.document.name} are not used"
            )
        if asked := self.spec.identity.asked:
            message = f"mode {asked[0]} cannot go with {override.source}: the client's credential is the provider's own"
            self._problem(("identity", "modes" if self.spec.identity.modes else "mode"), message)
        return ProviderEntry(name="upstream", kind="openai", base_url=url, passes_credential=True)

    def _providers(self, listen: Address, upstream: ProviderEntry | None) -> dict[str, ProviderEntry]:
        if upstream is not None:
            return {upstream.name: upstream}
        if not self.spec.providers and not self.spec.models:
            found = providers_from(self.outside.environ, listen)
            self.problems += found.problems
            self.notices += found.notices
            return {entry.name: entry for entry in (*found.providers, SIM)}
        entries = {"sim": SIM}
        for name, spec in self.spec.providers.items():
            path = ("providers", name)
            key = self.references.resolve(spec.api_key, self.document, (*path, "api_key"))
            account = self.references.resolve(spec.credentials, self.document, (*path, "credentials"), in_header=False)
            try:
                url = _base_url(spec, account)
            except ValueError as error:
                self._problem((*path, "credentials"), str(error))
                url = ""
            found = Amazon(url=url, key=key)
            if spec.kind == "bedrock":
                found = find_amazon(spec, key, self.outside.environ, self.references, (self.document, path))
                self.problems += found.problems
            if found.url and points_at(found.url, listen):
                self._problem((*path, "base_url"), "is this gateway's own address")
            if name == "sim" and spec.kind != "sim":
                self._problem(path, "the name sim belongs to the built-in provider")
            template = _template(spec, self.base, partial(self._problem, (*path, "chat_template")))
            proof = entra_entry(spec.entra, self.references, self.document, (*path, "entra"))
            made = _provider(name, spec, found, account, template)
            entries[name] = made if proof is None else msgspec.structs.replace(made, entra=proof)
        return entries

    def _models(self, providers: dict[str, ProviderEntry], upstream: ProviderEntry | None) -> tuple[ModelEntry, ...]:
        if upstream is not None:
            return (ModelEntry(alias="*", provider=upstream.name),)
        aliases = {spec.alias: spec for spec in self.spec.models}
        written = [entry for spec in self.spec.models for entry in model_entries(spec, providers, aliases)]
        if any(entry.alias == "sim/*" for entry in written):
            return tuple(written)
        sim = ModelEntry(alias="sim/*", provider="sim")
        if written:
            return (*written, sim)
        real = [entry for entry in providers.values() if entry.kind != "sim"]
        # Of several of a kind the first serves its models, as it does all others.
        native = {NATIVES[entry.kind].models: entry.name for entry in reversed(real) if entry.kind in NATIVES}
        native |= {models: entry.name for entry in reversed(real) if entry.kind == "bedrock" for models in MODELS}
        others = {"*": real[0].name} if real else {}
        return (sim, *(ModelEntry(alias=alias, provider=name) for alias, name in {**native, **others}.items()))

    def _keys(self) -> tuple[KeyEntry, ...]:
        entries, problems = key_entries(self.spec.identity.keys, self.references, self.document)
        self.problems += problems
        return entries

    def _key_store(self) -> RedisStore | None:
        stores = self.spec.stores
        # What all gateways share is shared unless somebody says otherwise.
        url = stores.keys or (stores.state if stores.state != "memory://" else "home")
        path = ("stores", "state" if stores.keys is None else "keys")
        return redis_store(None if url == "home" else url, self.references, self.document, path)

    def _policies(self) -> Policies:
        spec = self.spec.policies
        own, shipped = self.base / spec.dir, shipped_policies_dir()
        files: list[tuple[str, Path]] = []
        for index, name in enumerate(spec.bundle):
            path = ("policies", "bundle", index)
            if ".." in name.split("/"):
                self._problem(path, "leads out of policies.dir")
                continue
            local = own / name
            if local.is_file():
                files.append((shown(local, self.outside.cwd), local))
            elif (shipped / name).is_file():
                files.append((f"shipped/{name}", shipped / name))
            else:
                self._problem(path, f"no such policy in {spec.dir} and none shipped by that name")
        runner = ModelRunner(
            backend=spec.models.backend,
            url=spec.models.url or "",
            timeout_s=spec.models.timeout_s,
            threads=spec.models.threads or 0,
        )
        return Policies(files=tuple(files), reload_s=spec.reload_s, models=runner)

    def _prices(self) -> Prices:
        spec = self.spec.prices
        if spec.overrides is None:
            return Prices(source=spec.source)
        path = self._path(("prices", "overrides"), spec.overrides)
        if not path.is_file():
            return Prices(source=spec.source, path=path)
        known = KnownPrices() if self.outside.options.confirm_prices else known_prices(self.outside.home)
        rows, problems = load_prices(path, shown(path, self.outside.cwd), known)
        self.problems += problems
        return Prices(source=spec.source, rows=rows, path=path)


def _traces(
    spec: StoresSpec, home: Path, base: Path, references: References, document: Document
) -> ChdbStore | ClickHouseStore:
    if spec.traces is None:
        return ChdbStore(path=home / "traces")
    if spec.traces.startswith("chdb://"):
        return ChdbStore(path=base / spec.traces.removeprefix("chdb://"))
    url = parse_clickhouse(spec.traces)
    return ClickHouseStore(
        address=url.address,
        database=url.database,
        user=url.user,
        password=references.resolve(url.password, document, ("stores", "traces")),
        cluster=spec.cluster or "",
        async_inserts=spec.async_inserts,
    )


def _spool(spec: SpoolSpec, home: Path, base: Path) -> Spool:
    folder = home / "spool" if spec.dir is None else base / spec.dir
    return Spool(dir=folder, max_bytes=spec.max_bytes, fsync_s=spec.fsync_s)


def _worker_count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= 256:
        raise ValueError("should be a number from 1 to 256")
    return int(text)


def _base_url(spec: ProviderSpec, account: Secret | None) -> str:
    if account is not None:
        project = read_service_account(account.reveal()).project_id
        if not (spec.project or project):
            raise ValueError("name no project; give it beside them")
        return vertex_url(spec.base_url, spec.project or project, spec.location or "global")
    if spec.kind == "bedrock":
        return ""
    if spec.kind == "azure":
        return azure_url(spec.base_url or "")
    native = NATIVES.get(spec.kind)
    if native is not None:
        return native.base_url(spec.base_url)
    return "" if spec.kind == "sim" else spec.base_url or OPENAI_URL


def _template(spec: ProviderSpec, base: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    if spec.chat_template is None:
        return {"template": spec.template or ""}
    source, wrong = load_template(spec.chat_template, base)
    if wrong:
        tell(wrong)
    file = spec.chat_template.file
    return {"template": source, "template_file": None if file is None else base / file}


def _provider(
    name: str, spec: ProviderSpec, found: Amazon, account: Secret | None, template: dict[str, Any]
) -> ProviderEntry:
    return ProviderEntry(
        name=name,
        kind=spec.kind,
        base_url=found.url,
        api_key=found.key,
        credentials=account,
        account=found.account,
        region=found.region,
        on_unsupported=spec.on_unsupported,
        model=spec.model or "",
        **template,
        api_version=(spec.api_version or AZURE_VERSION) if spec.kind == "azure" else "",
        load=load_source(spec.load),
    )


def _capture(spec: CaptureSpec) -> Capture:
    return Capture(bodies=spec.bodies, max_body_bytes=spec.max_body_bytes, ttl_s=spec.ttl_s)
