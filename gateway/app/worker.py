"""A worker process: one loop, one listener, one pipeline that a reload may replace."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from gateway.app.alike import Alike
from gateway.app.build import Shared, build_pipeline, renewed
from gateway.app.counting import open_counting
from gateway.app.fronts import Fronts
from gateway.app.hinting import start_hinting
from gateway.app.names_key import names_key
from gateway.app.plain_health import PlainHealth
from gateway.app.policies import InForce
from gateway.app.rebuilding import begin_rebuilding
from gateway.app.reloading import last_reload, prepare, report_of, stamps
from gateway.app.restoring import counting_together
from gateway.app.retiring import Retiring
from gateway.app.sweeping import Sweeping
from gateway.app.warming import warm_up
from gateway.clients.clock import SystemClock
from gateway.clients.http import HttpClient
from gateway.clients.tls import server_context
from gateway.clients.tokenizers import Tokenizers
from gateway.config.addresses import is_rpc
from gateway.config.load import LoadResult
from gateway.config.price_leaps import confirmed_file
from gateway.config.settings import Settings
from gateway.core.ids import IdSource
from gateway.listener.health import Health
from gateway.listener.server import ListenerOptions, Server
from gateway.pipeline import Pipeline
from gateway.recording.metrics import Metrics
from gateway.recording.policy_report import report_path, write_report
from gateway.recording.recorder import Recorder
from gateway.recording.spool import DEFAULT_SEGMENT_BYTES, SpoolWriter
from gateway.upstream.sim import SimProvider

log = logging.getLogger("weighbridge.worker")
SNAPSHOT_S = 1.0
SWITCH_S = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerOptions:
    """What a worker is started with.

    Attributes:
        index: Its number; the next one with this number goes on counting where it stopped.
        settings: The configuration, checked.
        policies: Checked and compiled.
        reload: Loads the configuration again, from the same places.
        sockets: Listening already.
        rpc_address: Where clients that speak gRPC are served; empty for nowhere.
        ext_proc_address: Where Envoys are, likewise.
    """

    index: int
    settings: Settings
    policies: InForce
    reload: Callable[[], LoadResult]
    sockets: list[socket.socket]
    rpc_address: str = ""
    ext_proc_address: str = ""


def run_worker(options: WorkerOptions, lifeline_fd: int, ready_fd: int) -> int:
    """Run a worker until SIGTERM, or until the supervisor is gone.

    Args:
        options: What to run.
        lifeline_fd: Readable (end of file) when the supervisor has died.
        ready_fd: Gets ``R`` when the worker accepts connections.

    Returns:
        The process's exit code.
    """
    return uvloop.run(Worker(options).run(lifeline_fd, ready_fd))


@dataclass
class Worker:
    """The life of one worker."""

    options: WorkerOptions
    settings: Settings = field(init=False)
    pipeline: Pipeline = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict[Path, tuple[int, int]])
    _retiring: Retiring = field(default_factory=Retiring)
    _watched: tuple[Path, ...] = ()
    _report: dict[str, Any] = field(default_factory=dict[str, Any])

    async def run(self, lifeline_fd: int, ready_fd: int) -> int:
        """Start, serve, drain, stop."""
        loop = asyncio.get_running_loop()
        # Texts that take long are looked at beside the loop, and it should have its turn at once.
        sys.setswitchinterval(SWITCH_S)
        clock, settings = SystemClock(), self.options.settings
        self.settings = settings
        run_dir = settings.home / "run"
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._begin_counting(run_dir, clock)
        self.spool = SpoolWriter(
            settings.spool.dir,
            name=f"worker-{self.options.index}",
            clock=clock,
            max_bytes=settings.spool.max_bytes,
            # Only finished segments are deleted, so a small spool must not be full of unfinished ones.
            segment_bytes=min(DEFAULT_SEGMENT_BYTES, settings.spool.max_bytes // (8 * settings.workers)),
            fsync_s=settings.spool.fsync_s,
        )
        self.shared = Shared(
            clock=clock,
            http=HttpClient(),
            sim=SimProvider(),
            recorder=Recorder(self.spool, msgspec.json.Encoder(), loop.call_soon),
            metrics=self.metrics,
            ids=IdSource(os.urandom),
            tokenizers=Tokenizers(),
            names_key=names_key(settings.home),
            counting=await open_counting(settings, self.metrics, clock),
            alike=Alike(settings.home, self.options.index, clock, self.options.policies.door.models),
        )
        self._policy_path = report_path(run_dir, self.options.index)
        await self._load_models(self.options.policies)
        if speaks_rpc(settings):
            self.shared.rpc.load()
        self._install(settings, self.options.policies)
        await self.shared.keyring.load()
        self._renew()
        write_report(self._policy_path, self._policy_report)
        health, listen = Health(lambda: self._report | self.shared.caching.report()), settings.listen
        self._tls = server_context() if listen.tls else None
        self._read_certificate()
        options = ListenerOptions(
            max_body_bytes=listen.max_body_bytes, header_timeout_s=listen.header_timeout_s, tls=self._tls
        )
        self.server = Server(lambda: self.pipeline, health, options, clock.monotonic_ns, self.shared.recorder.commit)
        await self._listen(health, options)
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        loop.add_reader(lifeline_fd, self._stop.set)
        chores = self._chores(loop)
        self._snapshot()
        settle_memory()
        os.write(ready_fd, b"R")
        os.close(ready_fd)
        self._warm()
        await self._stop.wait()
        loop.remove_reader(lifeline_fd)
        await self._shut_down(chores)
        return 0

    def _begin_counting(self, run_dir: Path, clock: SystemClock) -> None:
        """Go on where the predecessor's counts stopped."""
        self._snapshot_path = run_dir / f"worker-{self.options.index}.metrics.json"
        self.metrics = Metrics(self.options.index, clock.unix_ms)
        self.metrics.resume(self._snapshot_path)
        self._plain = PlainHealth(self.metrics.cells())

    def _chores(self, loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[None]]:
        """Begin what goes on beside the calls, until the worker ends it."""
        work = [self.spool.run(), self._count(), self._watch(), self.shared.probes.run()]
        work += [self.shared.keyring.run(self._renew), self._rebuilding.run(), self.shared.caching.run()]
        work += [self.shared.comparing.run()] if self.options.index == 0 else []
        work += [each.run() for each in counting_together(lambda: self.settings, self.shared)]
        return [loop.create_task(each) for each in work] + start_hinting(self.settings.hints, self.shared)

    async def reload(self) -> None:
        """Load the configuration and the policies again; what does not check leaves the last good ones running."""
        began_ms = self.shared.clock.unix_ms()
        prepared = await asyncio.to_thread(
            prepare, self.options.reload, lambda settings: needs_restart(self.settings, settings)
        )
        faults = list(prepared.problems)
        self._watched = (*self._policies.paths, *prepared.paths)
        if prepared.settings is not None and prepared.policies is not None:
            try:
                self._read_certificate()
            except OSError as error:
                faults.append(f"listen.tls: {error.strerror}")
            else:
                # One set of models serves all policies; the new ones' are loaded before they are in force.
                prepared.policies.door.models = self._policies.door.models
                await self._load_models(prepared.policies)
                if speaks_rpc(prepared.settings):
                    await asyncio.to_thread(self.shared.rpc.load)
                self._retiring.retire(self._policies.engine, self.settings.drain_timeout_s)
                self._install(prepared.settings, prepared.policies)
                self._warm()
        self._sweeping.after(self.settings.drain_timeout_s)
        self.metrics.reloaded("rejected" if faults else "applied")
        self._report["last_reload"] = {"result": "rejected" if faults else "applied", "problems": faults}
        self._policy_report.last_reload = last_reload(faults, began_ms, prepared.seconds)
        await asyncio.to_thread(write_report, self._policy_path, self._policy_report)
        for fault in faults:
            log.error("reload: %s", fault)
        if not faults:
            log.info("reloaded: configuration %s, policies %s", self.settings.config_hash, self.metrics.policy_revision)

    async def _listen(self, health: Health, options: ListenerOptions) -> None:
        """Accept connections, also by gRPC where the configuration says so."""
        self._rebuilding = await begin_rebuilding(self.shared, lambda: self.settings)
        self.front = Fronts(self.server, health, lambda: (self.settings, self.pipeline), self.shared, options)
        self._sweeping = Sweeping(self.front.in_flight)
        await self.front.start(self.options.sockets, self.options.rpc_address, self.options.ext_proc_address)

    def _read_certificate(self) -> None:
        """Read the certificate, anew at a reload: connections made from then on are given it.

        Raises:
            OSError: The files are not there or do not belong together.
        """
        tls = self.settings.listen.tls
        if self._tls is not None and tls is not None:
            self._tls.load_cert_chain(tls.cert, tls.key)

    async def _load_models(self, policies: InForce) -> None:
        for name, reason in (await policies.engine.warm()).items():
            log.warning("policies: detector '%s' cannot ask its model (%s); see weighbridge models", name, reason)

    def _install(self, settings: Settings, policies: InForce) -> None:
        self.pipeline = build_pipeline(settings, policies.engine, self.shared)
        self.settings = settings
        self._policies = policies
        self.metrics.config_hash = settings.config_hash
        self.metrics.policy_revision = policies.bundle.revision
        self._report |= {"config_hash": settings.config_hash, "policy_revision": policies.bundle.revision}
        self._policy_report = report_of(policies)
        self._policy_report.index = self.options.index
        self._policy_report.pid = os.getpid()
        self._policy_report.config_hash = settings.config_hash
        self._policy_report.since_ms = self.shared.clock.unix_ms()
        self._watched = policies.paths
        self._seen = self._seen or self._stamps()

    def _renew(self) -> None:
        self.pipeline = renewed(self.pipeline, self.settings, self.shared)

    def _warm(self) -> None:
        """Load what calls will need, beside the loop: it is ready without that, and no call should wait for it."""
        prices = self.shared.prices_for(self.settings.prices.rows)
        self._warming = asyncio.get_running_loop().run_in_executor(None, warm_up, prices, self.settings)

    def _stamps(self) -> dict[Path, tuple[int, int]]:
        settings = self.settings
        return stamps(
            (
                *self._watched,
                *(path for _, path in settings.policies.files),
                *(entry.template_file for entry in settings.providers.values()),
                settings.file,
                settings.prices.path,
                confirmed_file(settings.home),
            )
        )

    async def _watch(self) -> None:
        """Reload on SIGHUP, or when a file of the configuration has changed."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self.settings.policies.reload_s)
            now = self._stamps()
            if self._asked.is_set() or now != self._seen:
                self._asked.clear()
                await self.reload()
                # What changed while it was being read counts as not read; files that are new were read just now.
                self._seen = {path: now.get(path, stamp) for path, stamp in self._stamps().items()}

    async def _count(self) -> None:
        while True:
            await self.shared.clock.sleep(SNAPSHOT_S)
            self._snapshot()

    def _snapshot(self) -> None:
        metrics = self.metrics
        metrics.in_flight = self.front.in_flight()
        metrics.client_connections = self.front.connections()
        metrics.tasks = len(asyncio.all_tasks())
        open_, idle = self.shared.http.counts()
        metrics.upstream_connections = {"idle": idle, "busy": open_ - idle}
        metrics.deployments = self.shared.healths.told() + self._plain.told(
            metrics.cells(), self.pipeline.courses.router, self.shared.healths.now_s()
        )
        metrics.queues = self.shared.healths.queues()
        metrics.load_reads = self.shared.loads.reads
        metrics.state = self.shared.counting and self.shared.counting.told()
        metrics.cache = self.shared.caching.told()
        metrics.spool_dropped_lines = self.spool.dropped_lines
        metrics.spool_dropped_bodies = self.spool.dropped_bodies
        metrics.write_snapshot(self._snapshot_path)

    async def _shut_down(self, chores: list[asyncio.Task[None]]) -> None:
        if self.settings.drain_delay_s:
            self.front.announce()
            await self.shared.clock.sleep(self.settings.drain_delay_s)
        self.front.drain()
        await self.shared.probes.close()
        self.shared.mirrors.drain()
        cut = await self.front.close(self.settings.drain_timeout_s)
        if cut:
            log.warning("%d calls were cut: they did not end within %g s", cut, self.settings.drain_timeout_s)
        await self.shared.mirrors.close()
        if self.shared.endings:
            await asyncio.wait(self.shared.endings, timeout=5)
        for chore in chores:
            chore.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await chore
        await self.shared.close_counting()
        await self._retiring.close()
        await self._sweeping.close()
        await self._policies.engine.close()
        await self._policies.door.models.close()
        await self.shared.sim.close()
        await self.shared.loads.close()
        await self.shared.keyring.close()
        await self.shared.close_tokens()
        await self.shared.rpc.close()
        await self.shared.http.close()
        self.shared.tokenizers.close()
        self.shared.sessions.aside.close()
        self._snapshot()
        self.shared.recorder.commit()
        self.spool.close()


# What processes are started with: what a message calls it, and where the settings keep it.
_FIXED = {
    "WEIGHBRIDGE_HOME": "home",
    "listen": "listen",
    "operator": "operator",
    "workers": "workers",
    "drain_delay": "drain_delay_s",
    "drain_timeout": "drain_timeout_s",
    "--intercept": "intercept",
    "stores.hints": "hints",
    "stores.keys": "key_store",
    "stores.traces": "traces",
    "stores.spool": "spool",
    "alerts": "alerts",
    "telemetry.otlp": "otlp",
}


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """What a changed configuration asks for that a reload cannot give."""
    changed = [shown for shown, name in _FIXED.items() if getattr(old, name) != getattr(new, name)]
    if old.capture.ttl_s != new.capture.ttl_s:
        changed.append("capture.ttl")
    if old.policies.models != new.policies.models:
        changed.append("policies.models")
    return [f"{shown}: a changed value needs a restart" for shown in changed]


def speaks_rpc(settings: Settings) -> bool:
    """Whether a provider is spoken to by gRPC, whose packages take a while to load."""
    return any(is_rpc(entry.base_url) for entry in settings.providers.values())


def settle_memory() -> None:
    """Tell the collector that what is there now is there to stay.

    Modules and configuration are some hundred thousand objects. Walking them again and again is a fifth of the time
    that a call takes, in pauses of tens of milliseconds; and calls leave no rings behind to be found.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
