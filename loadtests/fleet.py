"""Deployments as a discrete-event simulation, under the gateway's own choosers: no server, no waiting."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from types import SimpleNamespace
from typing import Any

from gateway.core.exchange import Deployment, RoutePlan, RoutePolicy, Strategy
from gateway.core.server_load import LoadReading, LoadSource
from gateway.routing.chooser import Asked, Chooser
from gateway.routing.health import Healths
from gateway.trip import Trip

# A provider reads what its cache knows for a tenth of the price, and in no time.
CACHED_PRICE = 0.1


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One call as a client makes it: when, with what, and how long its answer will be.

    Attributes:
        place: The deployment that it goes to past the gateway; ``None`` for a call of ours.
    """

    at_s: float
    prefix: str
    session: str
    shared: int
    own: int
    out: int
    place: int | None = None


@dataclass(frozen=True, kw_only=True)
class Maker:
    """What a deployment is like.

    Attributes:
        ttft_s: Until the first token, besides reading the prompt.
        read_s: For each token of the prompt that its cache does not know.
        tpot_s: For each token of the answer.
        slots: Calls at once; the others queue.
        told: Whether the gateway knows how many slots there are.
        cache: Prefixes that it keeps, the last used ones.
        price: In and out, dollars for a million tokens.
        pace: How many times slower than usual it is at a moment.
    """

    ttft_s: float = 0.2
    read_s: float = 0.0001
    tpot_s: float = 0.01
    slots: int = 64
    told: bool = False
    cache: int = 0
    price: tuple[float, float] = (1.0, 4.0)
    pace: Callable[[float], float] = lambda _now_s: 1.0


@dataclass
class Server:
    """A deployment at work."""

    maker: Maker
    calls: int = 0
    busy: int = 0
    under_way: int = 0
    under_way_s: float = 0.0
    looked_s: float = 0.0
    queue: deque[Running] = field(default_factory=deque)
    known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def count(self, by: int, now_s: float) -> None:
        """Calls come and go."""
        self.under_way_s += self.under_way * (now_s - self.looked_s)
        self.looked_s = now_s
        self.under_way += by

    def knows(self, prefix: str) -> bool:
        """Whether its cache has a prefix; it has from now on."""
        hit = prefix in self.known
        self.known[prefix] = None
        self.known.move_to_end(prefix)
        if len(self.known) > self.maker.cache:
            self.known.popitem(last=False)
        return hit


@dataclass
class Running:
    """One call on its way; one of others has no trip."""

    ask: Ask
    place: int
    trip: Trip | None = None
    first_s: float = 0.0
    hit: bool = False


@dataclass
class Outcome:
    """What came of all calls.

    Attributes:
        first_s, whole_s: Until the first and the last token, for each call, in no order.
        hits: Calls whose prefix was in the cache of the deployment that got them.
        dollars: What they cost.
        calls: For each deployment.
        under_way: For each deployment, on average.
    """

    first_s: list[float] = field(default_factory=list)
    whole_s: list[float] = field(default_factory=list)
    hits: int = 0
    dollars: float = 0.0
    calls: list[int] = field(default_factory=list)
    under_way: list[float] = field(default_factory=list)

    def imbalance(self) -> float:
        """How many times the mean the most loaded deployment has: by calls given and by calls under way, the worse."""
        return max(max(each) * len(each) / sum(each) for each in (self.calls, self.under_way))


def quantile(values: Iterable[float], share: float) -> float:
    """The value that a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def chooser_of(makers: list[Maker], strategy: Strategy, healths: Healths, random: Random) -> Chooser:
    """The gateway's own chooser over deployments."""
    deployments = tuple(
        Deployment(
            provider=f"p{at}",
            kind="openai",
            model="m",
            base_url=f"http://p{at}",
            credential=b"",
            max_concurrency=maker.slots if maker.told else 0,
        )
        for at, maker in enumerate(makers)
    )
    prices = {
        each.provider: round(1e3 * (maker.price[0] + maker.price[1]))
        for each, maker in zip(deployments, makers, strict=True)
    }
    plan = RoutePlan(
        alias="m",
        candidates=deployments,
        # Who is twice as quick is worth twice as many calls: as well as an operator knows it who measured once.
        weights=tuple(max(1, round(0.1 / each.tpot_s)) for each in makers),
        main=len(makers),
        policy=RoutePolicy(strategy=strategy),
    )
    return Chooser(plan, healths, random, lambda deployment, _model: prices[deployment.provider])


class Fleet:
    """Serves calls at the deployments that a strategy chooses.

    Args:
        makers: The deployments.
        strategy: Who chooses.
        seed: Of the strategy's chance.
        every_s: How often deployments are asked how busy they are; 0.0 for never.
    """

    def __init__(self, makers: list[Maker], strategy: Strategy, seed: int = 1, every_s: float = 0.0) -> None:
        self.now_s = 0.0
        self._random = Random(seed)
        self._healths = Healths(lambda: self.now_s)
        self._every_s = every_s
        if every_s:
            names = [f"p{at}" for at in range(len(makers))]
            self._healths.watch(
                {each: LoadSource(kind="vllm", url=f"http://{each}", every_s=every_s) for each in names}
            )
        self._chooser = chooser_of(makers, strategy, self._healths, self._random)
        self.servers = [Server(each) for each in makers]
        self.outcome = Outcome()
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._number = 0

    def serve(self, asks: Iterable[Ask]) -> Outcome:
        """Let all calls come and end."""
        last_s = 0.0
        for ask in asks:
            self._at(ask.at_s, self._arrive, ask)
            last_s = max(last_s, ask.at_s)
        for turn in range(int(last_s / self._every_s) if self._every_s else 0):
            self._at(turn * self._every_s, self._tell, None)
        while self._events:
            self.now_s, _, happens, what = heappop(self._events)
            happens(what)
        for server in self.servers:
            server.count(0, self.now_s)
        self.outcome.calls = [each.calls for each in self.servers]
        self.outcome.under_way = [each.under_way_s / self.now_s for each in self.servers]
        return self.outcome

    def _at(self, at_s: float, happens: Callable[[Any], None], what: object) -> None:
        self._number += 1
        heappush(self._events, (at_s, self._number, happens, what))

    def _tell(self, _nothing: None) -> None:
        """Every deployment says how busy it is; its memory fills with its slots."""
        for at, server in enumerate(self.servers):
            reading = LoadReading(
                queue=len(server.queue), running=server.busy, kv_use=min(1.0, server.busy / server.maker.slots)
            )
            self._healths.said(f"p{at}", reading)

    def _arrive(self, ask: Ask) -> None:
        running = self._sent(ask)
        server = self.servers[running.place]
        server.count(1, self.now_s)
        if server.busy < server.maker.slots:
            self._begin(running)
        else:
            server.queue.append(running)

    def _sent(self, ask: Ask) -> Running:
        if ask.place is not None:
            return Running(ask, ask.place)
        asked = Asked(model="m", stream=True, session=ask.session, prefix=ask.prefix.encode)
        trip = Trip(self._chooser, asked, self._random)
        trip.take()
        trip.begin()
        self.servers[trip.place].calls += 1
        return Running(ask, trip.place, trip)

    def _begin(self, running: Running) -> None:
        server, ask = self.servers[running.place], running.ask
        maker = server.maker
        server.busy += 1
        running.hit = server.knows(ask.prefix)
        read = ask.own + (0 if running.hit else ask.shared)
        self._at(self.now_s + (maker.ttft_s + read * maker.read_s) * maker.pace(self.now_s), self._first, running)

    def _first(self, running: Running) -> None:
        running.first_s, maker = self.now_s, self.servers[running.place].maker
        if running.trip is not None:
            running.trip.learning(round(running.ask.at_s * 1e9), _no_head)(_NO_CALL)
        self._at(self.now_s + (running.ask.out - 1) * maker.tpot_s * maker.pace(self.now_s), self._end, running)

    def _end(self, running: Running) -> None:
        server = self.servers[running.place]
        if running.trip is not None:
            running.trip.end(attempt_of(running, self.now_s), None)
            self._note(running, server)
        server.count(-1, self.now_s)
        server.busy -= 1
        if server.queue:
            self._begin(server.queue.popleft())

    def _note(self, running: Running, server: Server) -> None:
        ask, outcome = running.ask, self.outcome
        outcome.first_s.append(running.first_s - ask.at_s)
        outcome.whole_s.append(self.now_s - ask.at_s)
        outcome.hits += running.hit
        paid = ask.own + ask.shared * (CACHED_PRICE if running.hit else 1.0)
        outcome.dollars += (paid * server.maker.price[0] + ask.out * server.maker.price[1]) / 1e6


def _no_head(_call: Any) -> bytes:
    return b""


_NO_CALL: Any = None


def attempt_of(running: Running, now_s: float) -> Any:
    """What the gateway sees of a call that is over: a stream with an event a token."""
    ask = running.ask
    return SimpleNamespace(
        status=200,
        headers={},
        reader=SimpleNamespace(facts=SimpleNamespace(chunks=ask.out)),
        sent_ns=round(ask.at_s * 1e9),
        answered_ns=round(running.first_s * 1e9),
        first_ns=round(running.first_s * 1e9),
        ended_ns=round(now_s * 1e9),
    )
