"""Builds a pipeline from settings: every room once, wired by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec

from gateway.accounting.background import Background
from gateway.accounting.comparing import Comparing
from gateway.accounting.ledger import Ledger
from gateway.accounting.limits import Limits
from gateway.accounting.memory_state import MemoryState
from gateway.accounting.meter import Accounting
from gateway.accounting.prices import PriceBook
from gateway.app.alike import Alike
from gateway.app.caching import Caching
from gateway.app.counting import Counting
from gateway.app.identity import Issuers, build_identity
from gateway.app.inner_calls import InnerCalls
from gateway.app.keyring import KeyRing
from gateway.app.mirrors import Mirrors
from gateway.app.probes import Probes
from gateway.clients.access_tokens import Account, TokenSource
from gateway.clients.aws_credentials import SigningKeys
from gateway.clients.clock import Clock
from gateway.clients.entra_tokens import EntraTokens
from gateway.clients.google_tokens import GoogleAccount
from gateway.clients.http import HttpClient
from gateway.clients.memory_limit import memory_limit
from gateway.clients.tokenizers import Tokenizers
from gateway.clients.triton_rpc import TritonRpc
from gateway.config.natives import NATIVES
from gateway.config.references import Secret
from gateway.config.settings import CLIENTS_NAME, EntraEntry, ModelEntry, ProviderEntry, Settings
from gateway.core.aws_account import read_account
from gateway.core.chat_template import TemplateSource
from gateway.core.entra_account import EntraAccount
from gateway.core.exchange import Deployment
from gateway.core.ids import IdSource
from gateway.core.limits import LimitRule
from gateway.core.prices import PriceRow
from gateway.core.server_load import LoadSource
from gateway.core.service_account import read_service_account
from gateway.core.stored import Seals
from gateway.core.usage import Usage
from gateway.course import Courses
from gateway.guards.engine import GuardEngine
from gateway.guards.sessions import Sessions
from gateway.pipeline import Pipeline
from gateway.recording.capture import Capture
from gateway.recording.journal import Journal
from gateway.recording.metrics import Metrics
from gateway.recording.recorder import Recorder
from gateway.roads import Roads
from gateway.routing.costs import Prices
from gateway.routing.health import Healths
from gateway.routing.table import RouteEntry, Router
from gateway.upstream import catalog
from gateway.upstream.catalog import CatalogProvider
from gateway.upstream.dispatch import Dispatcher
from gateway.upstream.load_watch import LoadWatch
from gateway.upstream.sim import SimProvider
from gateway.upstream.tokens import Tokens
from gateway.wire.answer_head import AnswerHead


@dataclass(kw_only=True, slots=True)
class Shared:
    """What outlives a reload: connections, files, counts, and what callers have already taken of their limits."""

    clock: Clock
    http: HttpClient
    sim: SimProvider
    recorder: Recorder
    metrics: Metrics
    ids: IdSource
    tokenizers: Tokenizers
    endings: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    # Seals names where the configuration brings no key of its own.
    names_key: bytes
    rpc: TritonRpc = field(default_factory=TritonRpc)
    sessions: Sessions = field(default_factory=Sessions)
    background: Background = field(default_factory=Background)
    counting: Counting | None = None
    alike: Alike | None = None
    healths: Healths = field(init=False)
    loads: LoadWatch = field(init=False)
    counters: MemoryState = field(init=False)
    probes: Probes = field(init=False)
    keyring: KeyRing = field(init=False)
    mirrors: Mirrors = field(init=False)
    caching: Caching = field(init=False)
    comparing: Comparing = field(init=False)
    issuers: Issuers = field(init=False)
    _limits: tuple[tuple[tuple[LimitRule, ...], bool], Limits] | None = None
    _tokens: dict[Secret | EntraEntry, TokenSource] = field(default_factory=dict[Secret | EntraEntry, TokenSource])
    _signers: dict[tuple[Secret, str], SigningKeys] = field(default_factory=dict[tuple[Secret, str], SigningKeys])
    _prices: tuple[tuple[PriceRow, ...], PriceBook] | None = None

    def __post_init__(self) -> None:
        self.healths = Healths(lambda: self.clock.monotonic_ns() / 1e9)
        self.counters = MemoryState(self.clock)
        self.loads = LoadWatch(self.http, self.clock, self.healths.said)
        self.keyring = KeyRing(self.clock)
        self.comparing = Comparing(self.clock.sleep, self.metrics.estimate_errors.add)
        self.issuers = Issuers(http=self.http, clock=self.clock)
        self.probes = Probes(self.recorder, self.metrics, self.clock, self.ids)
        self.caching = Caching(self.clock, self.alike)
        self.mirrors = Mirrors(self.recorder, self.metrics, self.clock, self.ids)

    def limits_for(self, settings: Settings) -> Limits:
        """The limits in force. What was counted is kept, also where the rules change."""
        rules, budgets = settings.limits, bool(settings.modes)
        if self._limits is None or self._limits[0] != (rules, budgets):
            together = None if self.counting is None else self.counting.state
            limits = Limits(rules, self.clock, self.counters, shared=together, budgets=budgets)
            limits.apart = settings.counted_apart
            self._limits = (rules, budgets), limits
        return self._limits[1]

    def tokens_for(self, account: Secret | EntraEntry) -> TokenSource:
        """The token of an account, for as long as its key file, or what it proves, stays the same."""
        if account not in self._tokens:
            self._tokens[account] = TokenSource(_account(account), self.http, self.clock)
        return self._tokens[account]

    def signer_for(self, account: Secret, region: str) -> SigningKeys:
        """What signs requests to a region, for as long as the account stays the same."""
        if (account, region) not in self._signers:
            keys = SigningKeys(read_account(account.reveal()), region, self.http, self.clock)
            self._signers[account, region] = keys
        return self._signers[account, region]

    async def close_counting(self) -> None:
        """Tell the store of limits the last of what was used, and let go of that of answers."""
        await self.caching.close()
        if self.counting is not None:
            await self.counting.close()

    async def close_tokens(self) -> None:
        """Renew no more tokens and keys."""
        for source in (*self._tokens.values(), *self._signers.values()):
            await source.close()
        await self.issuers.close()

    def prices_for(self, rows: tuple[PriceRow, ...]) -> PriceBook:
        """The price book in force."""
        if self._prices is None or self._prices[0] != rows:
            self._prices = rows, PriceBook(rows)
        return self._prices[1]


def build_pipeline(settings: Settings, guards: GuardEngine, shared: Shared) -> Pipeline:
    """Wire a pipeline.

    Args:
        settings: The checked configuration.
        guards: The checked policies, compiled.
        shared: What this pipeline has in common with the one before it.
    """
    router = router_of(settings, shared.clock, shared.prices_for(settings.prices.rows))
    sources = load_sources(settings)
    shared.healths.watch(sources)
    shared.loads.watch(sources)
    listing = {"openai_models": catalog.PROVIDER, "gemini_models": catalog.GEMINI}
    capture = Capture(bodies=settings.capture.bodies, max_body_bytes=settings.capture.max_body_bytes)
    names = router.names() + (() if settings.transparent else _sim_names(settings))
    journal = Journal(shared.recorder, shared.metrics, shared.clock, shared.ids, capture, settings.config_hash)
    pipeline = Pipeline(
        courses=Courses(
            identity=build_identity(settings, shared.keyring, shared.issuers),
            router=router,
            provider_of={} if settings.transparent else listing,
            guards=guards,
            journal=journal,
            sessions=shared.sessions,
            roads=Roads(
                shared.healths,
                usual_price(shared.prices_for(settings.prices.rows), shared.clock),
                later=asyncio.get_running_loop().call_later,
                tainted=shared.sessions.taints.tainted,
            ),
            seals=_seals(settings, shared),
            ways=shared.caching.ways(settings),
            traced=settings.operator is not None and settings.otlp is not None and settings.otlp.traces,
        ),
        ledger=Ledger(
            Accounting(shared.prices_for(settings.prices.rows), shared.tokenizers, shared.limits_for(settings)),
            shared.background,
        ),
        dispatcher=Dispatcher(
            shared.http,
            {
                "sim": shared.sim,
                "catalog": CatalogProvider(names),
                "catalog_gemini": CatalogProvider(names, gemini=True),
            },
            _tokens(settings, shared),
            shared.rpc,
        ),
        journal=journal,
        head=AnswerHead(),
        sessions=shared.sessions,
        loop=asyncio.get_running_loop(),
        endings=shared.endings,
        mirrors=shared.mirrors if settings.mirrors or settings.cache else None,
    )
    shared.comparing.install(pipeline.ledger, settings.compare_estimates_s, memory_limit)
    guards.connect(InnerCalls(pipeline).ask)
    shared.probes.install(pipeline, settings)
    shared.mirrors.install(pipeline, settings)
    return pipeline


def load_sources(settings: Settings) -> dict[str, LoadSource]:
    """Give where servers say how busy they are, by provider."""
    return {name: entry.load for name, entry in settings.providers.items() if entry.load is not None}


def router_of(settings: Settings, clock: Clock, book: PriceBook) -> Router:
    """Make the routing table; context windows that nobody has set are those of the price list."""
    providers = {name: deployment_of(entry, clock) for name, entry in settings.providers.items()}
    entries = tuple(
        RouteEntry(
            alias=model.alias,
            deployment=candidate_of(model, providers[model.provider]),
            weight=model.weight,
            fallback=model.fallback,
            when=model.when,
            arm=model.arm,
        )
        for model in settings.models
    )
    own = Deployment(provider=catalog.PROVIDER, kind="catalog", model="", base_url="", credential=b"")
    own_gemini = msgspec.structs.replace(own, kind="catalog_gemini")
    all_providers = providers | {catalog.PROVIDER: own, catalog.GEMINI: own_gemini}
    mirrors = {each.alias: candidate_of(each, providers[each.provider]) for each in settings.mirrors}
    return Router(entries, all_providers, settings.routes, mirrors, windows=book.context_window)


def usual_price(book: PriceBook, clock: Clock) -> Prices:
    """Price a call of usual size, for comparing deployments; in nano-dollars, ``None`` where nobody knows."""
    usual = Usage(input_fresh_tokens=1000, output_text_tokens=300)

    def price(deployment: Deployment, model: str) -> int | None:
        return book.cost_nanousd(deployment, usual, clock.unix_us(), model=model, served="")

    return price


def _sim_names(settings: Settings) -> tuple[str, ...]:
    wild = any(model.provider == "sim" and model.alias == "sim/*" for model in settings.models)
    return ("sim/echo", "sim/lorem", "sim/embed") if wild else ()


def deployment_of(entry: ProviderEntry, clock: Clock) -> Deployment:
    """Give a provider as calls reach it."""
    template = entry.template
    if isinstance(template, TemplateSource):
        template = msgspec.structs.replace(template, unix_ms=clock.unix_ms)
    credential: bytes | None = b""
    if entry.passes_credential:
        credential = None
    elif entry.api_key is not None:
        credential = _credential(entry.kind, entry.api_key.reveal())
    return Deployment(
        provider=entry.name,
        kind=entry.kind,
        model=entry.model,
        base_url=entry.base_url,
        credential=credential,
        on_unsupported=entry.on_unsupported,
        template=template,
        api_version=entry.api_version,
    )


def _credential(kind: str, key: str) -> bytes:
    if kind == "azure":
        return b"api-key: %b\r\n" % key.encode()
    native = NATIVES.get(kind)
    return b"authorization: Bearer %b\r\n" % key.encode() if native is None else native.credential(key)


def candidate_of(model: ModelEntry, provider: Deployment) -> Deployment:
    """Give the deployment that a line of the routing table stands for."""
    return msgspec.structs.replace(
        provider,
        model=provider.model if provider.model and model.model == CLIENTS_NAME else model.model,
        timeouts=model.timeouts,
        on_unsupported=model.on_unsupported or provider.on_unsupported,
        max_concurrency=model.max_concurrency,
        context_window=model.context_window,
    )


def _account(account: Secret | EntraEntry) -> Account:
    if isinstance(account, Secret):
        return GoogleAccount(read_service_account(account.reveal()))
    secret = "" if account.secret is None else account.secret.reveal()
    return EntraTokens(
        EntraAccount(
            authority=account.authority,
            tenant=account.tenant,
            client_id=account.client_id,
            secret=secret,
            token_file=account.token_file,
            managed=account.managed,
        )
    )


def _tokens(settings: Settings, shared: Shared) -> dict[str, Tokens]:
    found: dict[str, Tokens] = {}
    for entry in settings.providers.values():
        if (proof := entry.credentials or entry.entra) is not None:
            found[entry.name] = shared.tokens_for(proof)
        elif entry.account is not None:
            found[entry.name] = shared.signer_for(entry.account, entry.region)
    return found


def _seals(settings: Settings, shared: Shared) -> Seals | None:
    if settings.transparent:
        return None
    given = settings.names_key
    return Seals(shared.names_key if given is None else given.reveal().encode())


def renewed(pipeline: Pipeline, settings: Settings, shared: Shared) -> Pipeline:
    """Give the pipeline for when the keys have changed; what connections remember of their callers counts no more."""
    courses = msgspec.structs.replace(
        pipeline.courses, identity=build_identity(settings, shared.keyring, shared.issuers)
    )
    return msgspec.structs.replace(pipeline, courses=courses)
