"""Process two: opens the trace store, ships the spool into it, serves the operator plane; the last to stop.

A store that cannot be opened is no reason to go away: the plane says that it is degraded, the spool keeps what
workers write, and opening is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec

import msgspec
from aiohttp import web

from gateway.clients.chdb import ChdbClient
from gateway.clients.clickhouse import ClickHouseClient
from gateway.clients.clock import Clock, SystemClock
from gateway.config.alerting import Alerts
from gateway.config.drifting import Drift
from gateway.config.otlp import Otlp, ServedBy
from gateway.core.errors import GatewayError, Misconfigured
from gateway.core.ids import IdSource
from gateway.core.keys import Grant
from gateway.core.limits import LimitRule
from gateway.core.trust import RoleTrust
from gateway.operator.alerts import Alerting, start_alerting
from gateway.operator.audit import AuditShipper
from gateway.operator.auth import Gate, TokenHolder
from gateway.operator.cache_admin import Answers
from gateway.operator.drift_watch import DriftWatch
from gateway.operator.erasing import Erasing
from gateway.operator.plane import OpenStore, Plane
from gateway.operator.queries import TraceQueries
from gateway.operator.recorded import RecordedUse
from gateway.operator.routes import build_app
from gateway.operator.shipper import Shipper, ShipperLimits
from gateway.operator.store import TraceStore
from gateway.operator.telemetry import Telemetry, open_telemetry
from gateway.operator.visitor_tokens import visitor_tokens
from gateway.operator.word_index import index_words
from gateway.plugin.keys import KeyStore
from gateway.plugin.traces import TraceDriver

log = logging.getLogger("weighbridge.operator")

_P = ParamSpec("_P")
DriverFactory = Callable[[str], TraceDriver]

# Where the plane can be reached; written when it listens, since port 0 lets the system choose.
ADDRESS_FILE = "operator.json"

# Whoever waits for readiness waits for the first try to open the store, but not longer.
_FIRST_TRY_S = 15.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_PROBE_S = 5.0
_DRAIN_S = 5.0
EMBEDDED_SLICE_BYTES = 16 << 20
# For answers under way when the plane closes; streams are told to end.
_GOODBYE_S = 1.0
_CLOSE_S = 2.0
_RUNNER: dict[str, Any] = {"access_log": None, "shutdown_timeout": _GOODBYE_S}


@dataclass(frozen=True, kw_only=True)
class OperatorOptions:
    """What the operator needs to know.

    Attributes:
        token: The bearer token; ``None`` serves loopback only.
        traces_url: ``chdb://PATH``, or ``clickhouse://user:password@host:port/database``.
        run_dir: Where workers leave their counts, and the operator its address; a folder of the data home.
        bodies_ttl_s: How long captured bodies are kept.
        keep_s: How long other rows are, where somebody has said so.
        alerts: What money should give notice of, if anything, and who is told.
        drift: What calls are compared by with those before, if at all.
        key_store: Makes what keeps virtual keys; ``None`` for the data home's own.
        budgets: Keys may have budgets of their own.
        declared: Gives the virtual keys of the configuration as it is now; blocks.
        limits: Gives its limits, likewise.
        answers: Makes the store of answers; ``None`` where there is none to be reached.
        holders: Those with tokens of their own.
        visitors: Whose tokens say who else may do what.
        otlp: Where spans and metrics are sent to, if anywhere.
        providers: What providers are, by name, for those who are told of them.
    """

    host: str
    port: int
    token: str | None = field(repr=False)
    traces_url: str = field(repr=False)
    spool_dir: Path
    run_dir: Path
    bodies_ttl_s: int = 30 * 86_400
    keep_s: Mapping[str, int] = field(default_factory=dict[str, int])
    alerts: Alerts | None = None
    drift: Drift | None = None
    key_store: Callable[[], KeyStore] | None = None
    budgets: bool = True
    declared: Callable[[], Sequence[Grant]] = tuple
    limits: Callable[[], Sequence[LimitRule]] = tuple
    answers: Callable[[], Answers | None] = field(default=lambda: None)
    holders: tuple[TokenHolder, ...] = field(default=(), repr=False)
    visitors: RoleTrust | None = None
    otlp: Otlp | None = None
    providers: Mapping[str, ServedBy] = field(default_factory=dict[str, ServedBy])


def _plane(options: OperatorOptions, clock: Clock) -> Plane:
    return Plane(
        options.run_dir,
        clock,
        key_store=options.key_store() if options.key_store is not None else None,
        budgets=options.budgets,
        declared=options.declared,
        limits=options.limits,
        answers=options.answers,
    )


def open_driver(traces_url: str) -> TraceDriver:
    """Make the driver that a URL names; nothing is opened yet.

    Raises:
        Misconfigured: It names none.
    """
    scheme, _, rest = traces_url.partition("://")
    if scheme == "chdb" and rest:
        return ChdbClient(Path(rest))
    if scheme in {"clickhouse", "clickhouses"}:
        return ClickHouseClient(traces_url)
    raise Misconfigured("A trace store is chdb://PATH or clickhouse://user:password@host:port/database.")


async def run_operator(
    options: OperatorOptions,
    *,
    lifeline_fd: int | None = None,
    ready_fd: int | None = None,
    stop: asyncio.Event | None = None,
    make_driver: DriverFactory = open_driver,
) -> None:
    """Run until SIGTERM, until the supervisor is gone, or until ``stop`` is set.

    SIGINT and SIGHUP are ignored: a terminal sends Ctrl-C to every process at once, but the operator must outlive the
    workers to ship their last lines, and nothing of its options can be reloaded.

    Args:
        options: What to do.
        lifeline_fd: Reads as ended when the supervisor dies.
        ready_fd: Gets one ``R`` when the plane is served and the store was tried, and is closed.
        stop: Another way to be told to stop.
        make_driver: Makes the store's driver from its URL.

    Raises:
        Misconfigured: The address cannot be listened on, or the URL names no store.
    """
    stopping = stop or asyncio.Event()
    clock = SystemClock()
    options.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    plane = _plane(options, clock)
    store = TraceStore(make_driver(options.traces_url), body_ttl_s=options.bodies_ttl_s, ages_s=options.keep_s)
    shipper = Shipper(options.spool_dir, OnceOpen(plane), clock, limits=_shipper_limits(store.driver))
    plane.shipper = shipper
    plane.erasing = Erasing(shipper.erased, plane.audit, OnceOpen(plane).driver, plane.cache.forget_origins, clock)
    plane.recorded = RecordedUse(options.run_dir, shipper, OnceOpen(plane), clock)
    alerting = options.alerts and Alerting(options.alerts, plane, IdSource(os.urandom))
    plane.alerts = alerting
    drift = options.drift and DriftWatch(options.drift, plane, IdSource(os.urandom), alerting and alerting.tell)
    plane.drift = drift
    audit = AuditShipper(plane.audit, OnceOpen(plane))
    telemetry = plane.telemetry = _telemetry(options, clock)
    try:
        with _told_to_stop(stopping, lifeline_fd):
            async with _serving(options, plane):
                tried = asyncio.Event()
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(keep_open(plane, store, tried), name="store"),
                        group.create_task(shipper.run(), name="shipper"),
                        group.create_task(_after(tried, plane.recorded.run), name="recorded"),
                        group.create_task(_after(tried, plane.erasing.run), name="erasing"),
                        group.create_task(_after(tried, audit.run, clock), name="audit"),
                        *(start_alerting(alerting, group, tried) if alerting is not None else ()),
                        *((group.create_task(_after(tried, drift.watch), name="drift"),) if drift is not None else ()),
                        *(telemetry.start(group) if telemetry is not None else ()),
                    ]
                    await _say_ready(ready_fd, tried)
                    await stopping.wait()
                    for task in tasks:
                        task.cancel()
                await _tell_the_rest(telemetry, shipper)
    finally:
        await _let_go(plane, shipper, store)


async def _let_go(plane: Plane, shipper: Shipper, store: TraceStore) -> None:
    if plane.telemetry is not None:
        await plane.telemetry.close()
    shipper.close()
    await plane.keys.close()
    await plane.cache.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await store.close()


def _shipper_limits(driver: TraceDriver) -> ShipperLimits:
    # The embedded engine has more memory at hand, and takes twice as many lines at once for half as much again.
    return ShipperLimits() if driver.shared else ShipperLimits(slice_bytes=EMBEDDED_SLICE_BYTES)


def _telemetry(options: OperatorOptions, clock: SystemClock) -> Telemetry | None:
    if options.otlp is None:
        return None
    return open_telemetry(options.otlp, options.providers, options.spool_dir, options.run_dir, clock)


class OnceOpen:
    """The store as the shipper sees it: away until the plane has opened it, so that one task alone opens it.

    Args:
        plane: Has the store.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def driver(self) -> TraceDriver:
        """Give the store's driver; see ``recorded.OpenTraces``."""
        return self._plane.store.traces.driver

    async def insert(self, lines: bytes, token: str) -> None:
        """Insert whole lines, once a token; see ``TraceStore.insert``."""
        await self._plane.store.traces.insert(lines, token)

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        """Insert whole lines into a table, once a token; see ``TraceDriver.insert_lines``."""
        await self._plane.store.traces.driver.insert_lines(table, data, token)


async def keep_open(plane: Plane, store: TraceStore, tried: asyncio.Event) -> None:
    """Open the store, however long it takes, then keep an eye on it.

    Args:
        plane: Gets the store, and whether it is up.
        store: What to open.
        tried: Set after the first try.
    """
    health, clock = plane.health, plane.clock
    pause_s = _FIRST_PAUSE_S
    while plane.open_store is None:
        try:
            await store.start()
            await index_words(store.driver)
        except GatewayError as error:
            log.warning("the trace store cannot be opened: %s", error.public_message)
            health.failed("open", error.public_message)
            tried.set()
            await clock.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        else:
            plane.open_store = OpenStore(store, TraceQueries(store.driver, clock, store.landed))
            health.up, health.last_error = True, ""
    tried.set()
    while True:
        await clock.sleep(_PROBE_S)
        try:
            await store.driver.query("SELECT 1")
        except GatewayError as error:
            health.failed("query", error.public_message)
            health.up = False
        else:
            health.up, health.last_error = True, ""


async def _after(
    tried: asyncio.Event, work: Callable[_P, Awaitable[None]], *given: _P.args, **named: _P.kwargs
) -> None:
    """Let work that needs the store begin once opening it was tried: a store that is about to open is no news."""
    await tried.wait()
    await work(*given, **named)


async def _say_ready(ready_fd: int | None, tried: asyncio.Event) -> None:
    if ready_fd is None:
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(tried.wait(), _FIRST_TRY_S)
    with contextlib.suppress(BrokenPipeError):
        os.write(ready_fd, b"R")
    os.close(ready_fd)


async def _tell_the_rest(telemetry: Telemetry | None, shipper: Shipper) -> None:
    """Ship the last lines; what is to be told of them is read first, since what is shipped is deleted."""
    if telemetry is None:
        await _ship_the_rest(shipper)
        return
    await telemetry.catch_up()
    async with asyncio.TaskGroup() as group:
        group.create_task(_ship_the_rest(shipper), name="last lines")
        group.create_task(telemetry.finish(), name="last spans")


async def _ship_the_rest(shipper: Shipper) -> None:
    try:
        async with asyncio.timeout(_DRAIN_S):
            await shipper.ship()
    except (TimeoutError, GatewayError) as error:
        # The lines stay in the spool, and the next start ships them.
        log.warning("the spool was not shipped to its end: %s", str(error) or "out of time")


@contextlib.asynccontextmanager
async def _serving(options: OperatorOptions, plane: Plane) -> AsyncGenerator[None, None]:
    async with visitor_tokens(options.visitors, plane.clock) as tokens:
        gate = Gate(options.token, options.holders, tokens)
        async with _listening(options, web.AppRunner(build_app(plane, gate), **_RUNNER)):
            yield


@contextlib.asynccontextmanager
async def _listening(options: OperatorOptions, runner: web.AppRunner) -> AsyncGenerator[None, None]:
    await runner.setup()
    address_file = options.run_dir / ADDRESS_FILE
    try:
        try:
            await web.TCPSite(runner, options.host, options.port).start()
        except OSError as error:
            place = f"{options.host}:{options.port}"
            raise Misconfigured(f"The operator plane cannot listen on {place}: {error.strerror}.") from None
        host, port = runner.addresses[0][:2]
        draft = address_file.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode({"pid": os.getpid(), "host": host, "port": port}))
        draft.replace(address_file)
        yield
    finally:
        address_file.unlink(missing_ok=True)
        await runner.cleanup()


@contextlib.contextmanager
def _told_to_stop(stopping: asyncio.Event, lifeline_fd: int | None) -> Generator[None, None, None]:
    loop = asyncio.get_running_loop()

    def abandoned() -> None:
        loop.remove_reader(lifeline_fd or 0)
        log.warning("the supervisor is gone")
        stopping.set()

    ignored = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    if lifeline_fd is not None:
        loop.add_reader(lifeline_fd, abandoned)
    try:
        yield
    finally:
        if lifeline_fd is not None:
            loop.remove_reader(lifeline_fd)
        loop.remove_signal_handler(signal.SIGTERM)
        for number, handler in ignored.items():
            signal.signal(number, handler)
