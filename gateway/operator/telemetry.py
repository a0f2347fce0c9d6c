"""Tells a collector of calls, out of the lines that workers write anyway: workers pay nothing, and wait for nobody.

    spool ──follower──► records ──► metrics, every call
                           └──tail sampling──► spans ──queue──► collector

Reading, sampling and encoding go on in a thread. The queue is bounded by bytes: while the collector is away the oldest
spans are dropped, and counted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from gateway import __version__
from gateway.clients.clock import Clock
from gateway.clients.otlp import HttpSender, NeverTaken, NotNow, OtlpSender, RpcSender, Signal
from gateway.config.otlp import Otlp, ServedBy
from gateway.core.record import ExchangeRecord
from gateway.operator.follower import Follower
from gateway.operator.genai_metrics import GenAiMetrics
from gateway.operator.spans import SpanMaker
from gateway.operator.tail_sampling import TailSampling
from gateway.recording import semconv
from gateway.wire.otlp import Origin, encode_span, refused

_P = ParamSpec("_P")
_T = TypeVar("_T")

log = logging.getLogger("weighbridge.telemetry")

OFFSETS_FILE = "otlp.offsets.json"
MAX_QUEUE_BYTES = 32 << 20
# Collectors take 4 MiB by default.
BATCH_SPANS, BATCH_BYTES = 2_000, 2 << 20
_POLL_S = 0.25
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
# For what is left when the operator stops.
_FLUSH_S = 2.0
LEFT_OUT = "left_out"
# So that many hosts do not come back to a collector at the same moment.
_chance = random.random


class Told(msgspec.Struct):
    """What has come of it, in numbers.

    Attributes:
        lines: By what they were: ``read``, ``unreadable``.
        calls: By why they are told of: :data:`~gateway.operator.tail_sampling.REASONS`, or ``left_out``.
        spans: By what became of them: ``sent``, ``dropped`` since the queue was full, ``refused`` by the collector.
        messages: By signal and what became of it: ``sent``, ``failed`` and to be sent again, ``refused``.
        last_error: Why the last message was not taken; empty when it was.
    """

    lines: Counter[str] = msgspec.field(default_factory=Counter[str])
    calls: Counter[str] = msgspec.field(default_factory=Counter[str])
    spans: Counter[str] = msgspec.field(default_factory=Counter[str])
    messages: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter[tuple[str, str]])
    last_error: str = ""


class Telemetry:
    """Reads, makes, sends.

    Args:
        options: What is told, and how much of it.
        follower: Reads the spool.
        sender: Has the collector.
        clock: Pauses.
        providers: What providers are, by name.
        about: What the process says of itself.

    Attributes:
        told: In numbers.
        follower: Who reads.
    """

    def __init__(
        self,
        options: Otlp,
        follower: Follower,
        sender: OtlpSender,
        clock: Clock,
        providers: Mapping[str, ServedBy],
        about: Mapping[str, str],
    ) -> None:
        self.told = Told()
        self.follower = follower
        self._options = options
        self._sender = sender
        self._clock = clock
        self._maker = SpanMaker(providers)
        self._metrics = GenAiMetrics(self._maker.provider_name)
        self._sampling = TailSampling(options.sample, options.keep)
        scope = ("weighbridge", about.get(semconv.SERVICE_VERSION, ""))
        self._origin = Origin({**about, **options.resource}, scope, semconv.SCHEMA_URL)
        self._decode = msgspec.json.Decoder(ExchangeRecord).decode
        self._started_us = clock.unix_us()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="telemetry")
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        self._news = asyncio.Event()

    @property
    def queued_spans(self) -> int:
        """Spans that wait to be sent."""
        return len(self._queue)

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Start reading and sending, each on its own."""
        tasks = [group.create_task(self.read(), name="telemetry")]
        if self._options.traces:
            tasks.append(group.create_task(self.send_spans(), name="spans"))
        if self._options.metrics:
            tasks.append(group.create_task(self.send_metrics(), name="metrics"))
        return tasks

    async def read(self) -> None:
        """Read the spool and make spans of it, for ever."""
        while True:
            if not await self.look():
                await self._clock.sleep(_POLL_S)

    async def look(self) -> bool:
        """Read what is there, up to some megabytes; whether there was anything."""
        try:
            made = await self._blocking(self._work)
        except OSError as error:
            self._failed(f"the spool cannot be read: {error.strerror}")
            return False
        if made is None:
            return False
        self._put(made)
        return True

    async def send_spans(self) -> None:
        """Send what is queued, for ever, again and again where the collector is away."""
        failures = 0
        while True:
            if not self._queue:
                self._news.clear()
                await self._news.wait()
            try:
                await self._send_batch()
                failures = 0
            except NotNow as later:
                failures += 1
                await self._clock.sleep(max(later.after_s, _pause_s(failures)))

    async def send_metrics(self) -> None:
        """Send what was counted so far, every so often. What was not taken is in the next message."""
        while True:
            await self._clock.sleep(self._options.every_s)
            await self.tell_metrics()

    async def tell_metrics(self) -> None:
        """Send what was counted so far."""
        metrics = await self._blocking(self._metrics.told)
        if any(each.points for each in metrics):
            with suppress(NotNow):
                await self._send("metrics", self._origin.metrics(metrics, self._started_us, self._clock.unix_us()))

    async def catch_up(self) -> None:
        """Read all that is there, as far as that is quickly done."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_S):
                while await self.look():
                    pass

    async def finish(self) -> None:
        """Send what is left, as far as that is quickly done."""
        with suppress(TimeoutError, NotNow):
            async with asyncio.timeout(_FLUSH_S):
                while self._queue:
                    await self._send_batch()
                if self._options.metrics:
                    await self.tell_metrics()
        self.told.spans["dropped"] += len(self._queue)
        if self._queue:
            log.warning("%d spans were not sent", len(self._queue))

    async def close(self) -> None:
        """Let go of everything. Nothing may be under way."""
        await self._blocking(self.follower.close)
        self._disk.shutdown(wait=True)
        await self._sender.close()

    # --- in the thread

    def _work(self) -> list[bytes] | None:
        taken = self.follower.take()
        if not taken:
            return None
        return [span for data in taken for line in data.splitlines() for span in self._spans(line)]

    def _spans(self, line: bytes) -> list[bytes]:
        told = self.told
        try:
            record = self._decode(line)
            reason = self._sampling.reason(record) if self._options.traces else ""
            spans = [encode_span(span) for span in self._maker.spans(record)] if reason else []
        except (msgspec.DecodeError, ValueError):
            # No record, or one whose ids are none.
            told.lines["unreadable"] += 1
            return []
        told.lines["read"] += 1
        self._metrics.count(record)
        if self._options.traces:
            told.calls[reason or LEFT_OUT] += 1
        return spans

    # --- in the loop

    def _put(self, made: list[bytes]) -> None:
        self._queue.extend(made)
        self._queue_bytes += sum(map(len, made))
        while self._queue_bytes > MAX_QUEUE_BYTES:
            self._queue_bytes -= len(self._queue.popleft())
            self.told.spans["dropped"] += 1
        if self._queue:
            self._news.set()

    async def _send_batch(self) -> None:
        batch: list[bytes] = []
        size = 0
        while self._queue and len(batch) < BATCH_SPANS and size < BATCH_BYTES:
            batch.append(self._queue.popleft())
            size += len(batch[-1])
        self._queue_bytes -= size
        over = False
        try:
            not_taken = await self._send("traces", self._origin.traces(batch))
            not_taken = len(batch) if not_taken is None else min(not_taken, len(batch))
            self.told.spans["refused"] += not_taken
            self.told.spans["sent"] += len(batch) - not_taken
            over = True
        finally:
            if not over:
                self._queue.extendleft(reversed(batch))
                self._queue_bytes += size

    async def _send(self, signal: Signal, message: bytes) -> int | None:
        """Send a message; how much of it was refused, ``None`` for all."""
        told = self.told
        try:
            answer = await self._sender.send(signal, message)
        except NotNow as later:
            told.messages[signal, "failed"] += 1
            self._failed(f"not taken yet: {later}")
            raise
        except NeverTaken as never:
            told.messages[signal, "refused"] += 1
            self._failed(f"refused: {never}")
            return None
        told.messages[signal, "sent"] += 1
        if told.last_error:
            told.last_error = ""
            log.info("the collector takes telemetry again")
        return refused(answer)

    def _failed(self, why: str) -> None:
        # Said once, however often it is tried.
        if why != self.told.last_error:
            self.told.last_error = why
            log.warning("telemetry: %s", why)

    async def _blocking(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, lambda: work(*args, **kwargs))


def open_telemetry(
    options: Otlp, providers: Mapping[str, ServedBy], spool_dir: Path, run_dir: Path, clock: Clock
) -> Telemetry:
    """Make everything that telling a collector takes; nothing is sent yet.

    Args:
        options: What is told, and to whom.
        providers: What providers are, by name.
        spool_dir: Where workers write.
        run_dir: Where it is kept how far was read.
        clock: Pauses.

    Raises:
        Misconfigured: What gRPC needs is not installed.
    """
    headers = {name: secret.reveal() for name, secret in options.headers.items()}
    make = RpcSender if options.protocol == "grpc" else HttpSender
    about = {
        semconv.SERVICE_NAME: "weighbridge",
        semconv.SERVICE_VERSION: __version__,
        semconv.SERVICE_INSTANCE_ID: f"{platform.node()}:{os.getpid()}",
    }
    return Telemetry(
        options,
        Follower(spool_dir, run_dir / OFFSETS_FILE, clock),
        make(options.endpoint, headers, options.timeout_s, compress=options.compress),
        clock,
        providers,
        about,
    )


def _pause_s(failures: int) -> float:
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(failures - 1, 16)) * (0.5 + _chance() / 2)
