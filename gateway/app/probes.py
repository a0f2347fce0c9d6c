"""Asks deployments that nobody calls, or that are left alone, something small: before a client has to find out.

A probe is a call of the gateway's own, in the deployment's dialect, through the pipeline: what comes of it is noted
where that of clients' calls is, limits on the provider hold, and it is recorded and paid under the tag
``weighbridge=probe``. It is a stream: of its times, that to the first token can be compared with other calls'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random, SystemRandom

import msgspec
import orjson

from gateway.app.inner_calls import answered
from gateway.clients.clock import Clock
from gateway.config.settings import Settings
from gateway.core.errors import GatewayError
from gateway.core.exchange import Deployment, Incoming, Principal, ProbeRule, RoutePolicy, Timeouts
from gateway.core.record import ExchangeRecord
from gateway.core.usage import Usage
from gateway.course import Known
from gateway.pipeline import Pipeline
from gateway.recording import tries
from gateway.recording.capture import Capture
from gateway.recording.journal import Filing, Journal
from gateway.recording.metrics import CELL_SIZE, Cell, Metrics
from gateway.recording.overhead import Overhead
from gateway.recording.tries import PROBE as PROBE_KIND
from gateway.routing.health import Health
from gateway.routing.table import RouteEntry, Router

TICK_S = 0.5
# More than that wait for the next tick: probes must not be a load themselves.
MOST_AT_ONCE = 4
PATH = "/v1/chat/completions"
PROBE = Principal(tags={"weighbridge": "probe"}, inner=True)
TEXT = "ping"
# Of the request, with what templates put around it.
_INPUT_TOKENS = 32
_HEADERS = {b"content-type": b"application/json"}
# These take no other name for the most tokens, and all others the older one.
_NEWER_NAME = "https://api.openai.com/"
_GLOB = frozenset("*?[")


class _Filed:
    """Files a probe's record and keeps it; counts it as a probe, and not as a client's call."""

    def __init__(self, filing: Filing, metrics: Metrics) -> None:
        self._filing = filing
        self._metrics = metrics
        self.record: ExchangeRecord | None = None

    def append(self, record: ExchangeRecord) -> None:
        for each in record.attempts:
            each.kind = tries.PROBE
        self.record = record
        self._filing.append(record)

    def append_line(self, line: bytes) -> None:
        # Who was asked for a stream has answered whole: nobody else counts its tries.
        record = msgspec.json.decode(line, type=ExchangeRecord)
        self.append(record)
        self.observe(record)

    def observe(self, record: ExchangeRecord) -> None:
        self._metrics.aside(record.attempts, PROBE_KIND)

    def cell(self, dialect: str, provider: str, model: str, status: int, code: str) -> Cell:
        return Cell([0] * CELL_SIZE, Overhead())


class Target:
    """A deployment that is probed.

    Args:
        alias: Whose it is.
        deployment: As an alias' calls find it.
        health: What is known of it.
        rule: When it is probed, and for how much.
        first_s: It is not probed for being idle before that.
    """

    def __init__(self, alias: str, deployment: Deployment, health: Health, rule: ProbeRule, first_s: float) -> None:
        self.alias = alias
        self.deployment = deployment
        self.health = health
        self.rule = rule
        self.first_s = first_s
        self.again_s = 0.0
        self.busy = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is known by over a reload."""
        return self.alias, self.deployment.provider, self.deployment.base_url, self.deployment.model

    def due(self, now_s: float) -> bool:
        """Whether it is time: its breaker wants to know, or nobody has called it for a while."""
        health = self.health
        if self.busy or now_s < self.again_s or not health.ready(now_s):
            return False
        if health.breaker.state(now_s) != "closed":
            return True
        return not health.in_flight and now_s >= self.first_s and now_s - health.asked_s >= self.rule.every_s

    def done(self, now_s: float) -> None:
        """It was probed."""
        # A breaker that has opened again says itself when it wants to know.
        self.again_s = 0.0 if self.health.breaker.state(now_s) == "open" else now_s + self.rule.every_s

    def body(self) -> bytes:
        """What it is asked."""
        deployment = self.deployment
        newer = deployment.kind == "azure" or deployment.base_url.startswith(_NEWER_NAME)
        return orjson.dumps(
            {
                "model": self.name,
                "messages": [{"role": "user", "content": TEXT}],
                "max_completion_tokens" if newer else "max_tokens": self.rule.max_tokens,
                "stream": True,
            }
        )

    @property
    def name(self) -> str:
        """The model as a client would name it."""
        return self.deployment.model if _GLOB.intersection(self.alias) else self.alias


class Probes:
    """Owns all probes of a worker.

    Args:
        filing: Takes their records.
        metrics: Counts them; keeps what they have cost over a restart.
        clock: The present.
        new_id: Makes an exchange id for a millisecond since 1970.
        random: Spreads them.
    """

    def __init__(
        self,
        filing: Filing,
        metrics: Metrics,
        clock: Clock,
        new_id: Callable[[int], str],
        random: Random | None = None,
    ) -> None:
        self._filing = filing
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id
        self._random = random or SystemRandom()
        self._targets: dict[tuple[str, str, str, str], Target] = {}
        self._pipeline: Pipeline | None = None
        self._config_hash = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def install(self, pipeline: Pipeline, settings: Settings) -> None:
        """Probe the deployments that a configuration wants probed, through its pipeline; no others any more."""
        now_s, before = self._clock.monotonic_ns() / 1e9, self._targets
        self._pipeline, self._config_hash, self._targets = pipeline, settings.config_hash, {}
        for alias, policy in settings.routes.items():
            if policy.probe is None:
                continue
            rule = _share(policy.probe, settings.workers)
            for deployment in pipeline.courses.router.plan(alias).candidates:
                health = pipeline.courses.roads.healths.of(deployment, policy.breaker)
                target = Target(alias, deployment, health, rule, now_s + max(1.0, rule.every_s * self._random.random()))
                known = before.get(target.key)
                if known is not None:
                    target.first_s, target.again_s = known.first_s, known.again_s
                self._targets[target.key] = target

    @property
    def under_way(self) -> int:
        """How many probes are on their way."""
        return len(self._tasks)

    async def run(self) -> None:
        """Probe what is due, again and again."""
        while True:
            await self._clock.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Begin the probes that are due."""
        now_s, pipeline = self._clock.monotonic_ns() / 1e9, self._pipeline
        if pipeline is None:
            return
        for target in self._targets.values():
            if len(self._tasks) >= MOST_AT_ONCE:
                return
            if target.due(now_s):
                target.busy = True
                task = asyncio.get_running_loop().create_task(self._probe(target, pipeline))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Probe no more, and end the probes that are on their way."""
        self._targets = {}
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _probe(self, target: Target, pipeline: Pipeline) -> None:
        rule, spend = target.rule, self._metrics.spend(target.alias)
        usage = Usage(input_fresh_tokens=_INPUT_TOKENS, output_text_tokens=rule.max_tokens)
        at_us = self._clock.unix_us()
        likely = pipeline.ledger.price(target.deployment, usage, at_us, target.name, "")
        try:
            if spend.hold(at_us, likely, rule.max_nanousd_per_day, rule.max_unpriced_per_day):
                cost = likely
                try:
                    cost = _cost(await self._ask(target, pipeline), likely)
                finally:
                    spend.settle(likely, cost)
        finally:
            target.busy = False
            target.done(self._clock.monotonic_ns() / 1e9)

    async def _ask(self, target: Target, pipeline: Pipeline) -> ExchangeRecord | None:
        filed = _Filed(self._filing, self._metrics)
        only = self._only(target, pipeline, filed)
        incoming = Incoming("POST", PATH, "", dict(_HEADERS), target.body(), "", only.journal.now_ns(), memo={})
        only.courses.enter(incoming, PROBE)
        try:
            await answered(only, incoming)
        except GatewayError:
            # What came of it is noted where it belongs; nobody waits for more.
            return filed.record
        return filed.record

    def _only(self, target: Target, pipeline: Pipeline, filed: _Filed) -> Pipeline:
        """The same pipeline with one road: to this deployment, once, with the probe's own timers and record."""
        rule, deployment, courses = target.rule, target.deployment, pipeline.courses
        timers = deployment.timeouts
        within = Timeouts(
            connect_s=min(timers.connect_s, rule.timeout_s),
            first_token_s=min(timers.first_token_s, rule.timeout_s),
            idle_s=min(timers.idle_s, rule.timeout_s),
            total_s=min(timers.total_s, 3 * rule.timeout_s),
        )
        policy = courses.router.plan(target.alias).policy or RoutePolicy()
        # It waits for no slot: who has calls is not probed.
        alone = msgspec.structs.replace(deployment, timeouts=within, max_concurrency=0)
        router = Router(
            (RouteEntry(alias=target.name, deployment=alone),),
            policies={target.name: RoutePolicy(retries=0, breaker=policy.breaker)},
        )
        journal = Journal(
            filed, filed, self._clock, self._new_id, Capture(bodies="none"), self._config_hash
        )  # fmt: skip
        ways = msgspec.structs.replace(courses, router=router, journal=journal, known=Known())
        return msgspec.structs.replace(pipeline, courses=ways, journal=journal)


def _share(rule: ProbeRule, workers: int) -> ProbeRule:
    """A worker's share of what probes may cost: each has its own health to know of, and its own account."""
    return msgspec.structs.replace(
        rule,
        max_nanousd_per_day=rule.max_nanousd_per_day // workers,
        max_unpriced_per_day=rule.max_unpriced_per_day // workers,
    )


def _cost(record: ExchangeRecord | None, likely: int | None) -> int | None:
    """What a probe cost; ``None`` where what was taken for it is the best that is known."""
    if record is None or likely is None:
        return None
    if record.cost_nanousd is not None:
        return record.cost_nanousd
    # Nobody is paid for an error, nor for a call that was not made; for silence, perhaps.
    refused = not record.attempts or record.attempts[-1].status >= 400
    return 0 if refused else None
