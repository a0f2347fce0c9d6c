"""What is known of a deployment by now: how busy, how slow, how often at fault. Filled by calls; reads no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from weakref import WeakSet

from gateway.core.deployment_health import DeploymentHealth, added_up, worst
from gateway.core.exchange import BreakerRule, Cause, Deployment
from gateway.core.queue_told import QueueCounts
from gateway.core.server_load import LoadReading, LoadSource
from gateway.routing.breaker import Breaker
from gateway.routing.ewma import PeakAverage
from gateway.routing.server_load import News, ServerLoad
from gateway.routing.waits import Waits

# A provider may say when it wants to hear of us again; nobody is believed for longer.
MAX_REST_S = 60.0
MAX_HEALTHS = 4096
# Not what a deployment is to blame for, but how much it can take.
CAPACITY: frozenset[Cause] = frozenset({"429"})
NOTHING = LoadReading()


class Waiting(Protocol):
    """Who waits for room; :class:`gateway.routing.queue.Queue`."""

    def serve(self) -> None:
        """There may be room."""
        ...


class Health:
    """The state of one deployment, as it is judged by one rule.

    What calls tell of a deployment is one for all aliases that it serves. Their rules may differ: then each has a state
    of its own, which knows of the calls of all of them.

    Args:
        rule: When it is left alone.
        twin: The same deployment by another rule.

    Attributes:
        in_flight: Calls on their way.
        ttft: Seconds until a stream's first token.
        tpot: Seconds for every further one.
        whole: Seconds for an answer that comes whole.
        breaker: Whether it is left alone because it fails.
        calls, failures: Since the process began.
        asked_s: When it was last given one.
        rests_until_s: Its provider wants to be left alone until then.
        ejected_until_s: It fails more often than its peers, and gets no calls of theirs until then.
        waiting: Who is told when a call has left it; bounded by the aliases that it serves.
        server: How busy its server says it is; ``None`` where nobody asks it.
        waits: Of its calls for a first byte, where somebody wants to know; see :meth:`first_bytes`.
    """

    __slots__ = (
        "__weakref__", "_twins", "asked_s", "breaker", "calls", "ejected_until_s", "failures", "in_flight",
        "rests_until_s", "server", "tpot", "ttft", "waiting", "waits", "whole",
    )  # fmt: skip

    def __init__(self, rule: BreakerRule, twin: Health | None = None) -> None:
        self.breaker = Breaker(rule)
        self.ejected_until_s = 0.0
        if twin is not None:
            self._join(twin)
            return
        # Those of other rules, as long as somebody goes by them, and itself; nobody where there is one rule.
        self._twins: WeakSet[Health] | None = None
        self.in_flight = self.calls = self.failures = 0
        self.ttft = PeakAverage()
        self.tpot = PeakAverage()
        self.whole = PeakAverage()
        self.asked_s = 0.0
        self.server: ServerLoad | None = None
        self.waiting: list[Waiting] = []
        self.waits: dict[bool, Waits] = {}
        self.rests_until_s = 0.0

    def _join(self, twin: Health) -> None:
        self.in_flight, self.calls, self.failures = twin.in_flight, twin.calls, twin.failures
        self.ttft, self.tpot, self.whole, self.waits = twin.ttft, twin.tpot, twin.whole, twin.waits
        self.asked_s, self.rests_until_s, self.server, self.waiting = (
            twin.asked_s, twin.rests_until_s, twin.server, twin.waiting,
        )  # fmt: skip
        if twin._twins is None:
            twin._twins = WeakSet((twin,))
        self._twins = twin._twins
        self._twins.add(self)

    def twins(self) -> tuple[Health, ...]:
        """The same deployment by all rules that somebody goes by, this one among them."""
        return (self,) if self._twins is None else tuple(self._twins)

    def ready(self, now_s: float) -> bool:
        """Whether it may be given a call."""
        return self.breaker.allows(now_s) and now_s >= self.rests_until_s

    def rests_s(self, now_s: float) -> float:
        """Seconds until it may be given a call."""
        return max(0.0, self.rests_until_s - now_s, self.breaker.opens_at_s() - now_s)

    def begin(self, now_s: float) -> None:
        """A call goes to it."""
        for each in self.twins():
            each.calls += 1
            each.in_flight += 1
            each.asked_s = now_s
            each.breaker.begin(now_s)

    def succeed(self, now_s: float) -> None:
        """A call went well."""
        for each in self.twins():
            each.in_flight -= 1
            each.breaker.succeed(now_s)
        if self.waiting:
            self._tell()

    def fail(self, now_s: float, cause: Cause, retry_after_s: float | None, took_s: float) -> None:
        """A call failed.

        Args:
            now_s: The present.
            cause: Why.
            retry_after_s: When the provider wants to hear of us again, if it said so.
            took_s: How long the call took to fail.
        """
        rests_until_s = now_s + min(retry_after_s, MAX_REST_S) if retry_after_s else 0.0
        for each in self.twins():
            each.in_flight -= 1
            each.failures += 1
            each.rests_until_s = max(each.rests_until_s, rests_until_s)
            if cause in CAPACITY:
                each.breaker.give_up()
            else:
                each.breaker.fail(now_s)
        if cause == "timeout":
            # As bad as if it had answered only then.
            self.ttft.note(took_s, now_s)
            self.whole.note(took_s, now_s)
        if self.waiting:
            self._tell()

    def first_bytes(self, *, stream: bool) -> Waits:
        """How long its calls wait for the first byte of a stream, or for an answer that comes whole."""
        waits = self.waits.get(stream)
        if waits is None:
            waits = self.waits[stream] = Waits()
        return waits

    def outrun(self, now_s: float, took_s: float, *, stream: bool) -> None:
        """Another deployment has answered its call; it would have taken longer than this."""
        self.leave()
        average = self.ttft if stream else self.whole
        if took_s > average.read(now_s):
            average.note(took_s, now_s)

    def told(self, provider: str, model: str, now_s: float) -> DeploymentHealth:
        """What is known, for who watches; of what several rules make of it the worst."""
        twins = self.twins()
        load = None if self.server is None or not self.server.trust(now_s) else self.server
        said = NOTHING if load is None or load.reading is None else load.reading
        return DeploymentHealth(
            provider=provider,
            model=model,
            in_flight=self.in_flight,
            calls=self.calls,
            failures=self.failures,
            breaker=worst([each.breaker.state(now_s) for each in twins]),
            rests_s=max(each.rests_s(now_s) for each in twins),
            ejected_s=max(0.0, *(each.ejected_until_s - now_s for each in twins)),
            ttft_s=self.ttft.read(now_s) or None,
            tpot_s=self.tpot.read(now_s) or None,
            whole_s=self.whole.read(now_s) or None,
            load=None if load is None else round(load.full, 3),
            queue=said.queue,
            running=said.running,
            kv_use=said.kv_use,
        )

    def leave(self) -> None:
        """A call ended that says nothing of the deployment."""
        for each in self.twins():
            each.in_flight -= 1
            each.breaker.give_up()
        if self.waiting:
            self._tell()

    def _tell(self) -> None:
        """Tell those who wait, each of them first once in a round."""
        self.waiting.append(self.waiting.pop(0))
        for each in tuple(self.waiting):
            each.serve()


class Healths:
    """The states of all deployments; outlives a reload.

    Args:
        now_s: Monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.now_s = now_s
        self._known: dict[tuple[str, str, str], Health] = {}
        self._queues: dict[str, QueueCounts] = {}
        # By provider: one server, however many models it has.
        self._servers: dict[str, ServerLoad] = {}
        self._news = News()

    def of(self, deployment: Deployment, rule: BreakerRule) -> Health:
        """Give the state of a deployment; one that nobody has asked for yet is healthy."""
        key = (deployment.provider, deployment.base_url, deployment.model)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_HEALTHS:
                # Clients choose the names behind wildcards: the oldest that is idle goes.
                self._forget()
            known = self._known[key] = Health(rule)
            known.server = self._servers.get(deployment.provider)
        elif known.breaker.rule != rule:
            # The last that was asked for stays, the others as long as an alias goes by them.
            by_rule = (each for each in known.twins() if each.breaker.rule == rule)
            known = self._known[key] = next(by_rule, None) or Health(rule, known)
        return known

    def watch(self, sources: Mapping[str, LoadSource]) -> None:
        """Say whose servers tell how busy they are, by provider; what is known of those that still do is kept."""
        before = self._servers
        self._servers = {
            name: known
            if (known := before.get(name)) is not None and known.every_s == source.every_s
            else ServerLoad(source.every_s, self._news)
            for name, source in sources.items()
        }
        for (provider, _, _), health in self._known.items():
            for each in health.twins():
                each.server = self._servers.get(provider)

    def said(self, provider: str, reading: LoadReading) -> None:
        """A provider's server has said how busy it is."""
        server = self._servers.get(provider)
        if server is not None:
            own = sum(health.in_flight for (name, _, _), health in self._known.items() if name == provider)
            server.note(reading, own, self.now_s())

    def names(self) -> dict[tuple[str, str], Health]:
        """Provider and model of everything that is known, for who watches."""
        return {(provider, model): health for (provider, _, model), health in self._known.items()}

    def known(self) -> dict[tuple[str, str, str], Health]:
        """All that is known, by provider, base URL and model, in the order in which it came to be."""
        return dict(self._known)

    def told(self) -> list[DeploymentHealth]:
        """How those fare that were given a call, for who watches; bounded."""
        now_s = self.now_s()
        asked = ((key, health) for key, health in self._known.items() if health.calls or health.server)
        return added_up([[health.told(provider, model, now_s) for (provider, _, model), health in asked]])

    def queue(self, alias: str) -> QueueCounts:
        """What came of waiting in front of an alias' deployments; the configuration bounds their number."""
        return self._queues.setdefault(alias, QueueCounts(alias=alias))

    def queues(self) -> list[QueueCounts]:
        """The queues in which somebody has stood, for who watches."""
        return [each for each in self._queues.values() if each != QueueCounts(alias=each.alias)]

    def _forget(self) -> None:
        for key, health in self._known.items():
            if not health.in_flight:
                del self._known[key]
                return
        del self._known[next(iter(self._known))]
