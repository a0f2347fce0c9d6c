"""Chooses among the deployments of one alias, by its strategy. Knows no request but by a few facts of it; no clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import inf
from random import Random

import msgspec

from gateway.core.errors import Overloaded
from gateway.core.exchange import RoutePlan, RoutePolicy, Strategy
from gateway.routing.affinity import Affinity
from gateway.routing.budget import RetryBudget
from gateway.routing.costs import Costs, Prices
from gateway.routing.ewma import PeakAverage
from gateway.routing.fitness import Fitness
from gateway.routing.health import Health, Healths
from gateway.routing.hedge_budget import HedgeBudget
from gateway.routing.outlier import Outliers
from gateway.routing.queue import Later, Queue
from gateway.routing.server_load import Fleet

_NOTHING: tuple[int, ...] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What strategies may know of a request.

    Attributes:
        model: As the client wrote it.
        stream: Whether it wants its answer as a stream.
        session: As the client names it; empty when it names none.
        caller: Who takes turns with others where calls must wait.
        prefix: Works out what calls have in common that a provider's cache could use again.
        barred: Places that it cannot go to.
        spared: Places that it goes to only when no other can have it.
        repeated: A proxy before us tries it again already: it gets one try here.
    """

    model: str = ""
    stream: bool = False
    session: str = ""
    caller: str = ""
    prefix: Callable[[], bytes] | None = None
    barred: frozenset[int] = frozenset()
    spared: frozenset[int] = frozenset()
    repeated: bool = False


NOBODY = Asked()
Pick = Callable[[list[int], Asked, float], int]


class Chooser:
    """Chooses deployments for the calls of one alias, the first and, when that fails, the next.

    Args:
        plan: The candidates, with a policy.
        healths: What is known of them.
        random: Breaks ties and picks pairs.
        prices: What a usual call costs at a deployment, in nano-dollars, for the model that the client named.
        later: Calls a function after some seconds; without it no call waits for a deployment that is full.

    Attributes:
        queue: Where calls wait while all are full.
        outliers: Who fails more often than the others.
    """

    def __init__(
        self,
        plan: RoutePlan,
        healths: Healths,
        random: Random,
        prices: Prices | None = None,
        later: Later | None = None,
    ) -> None:
        self.policy = policy = plan.policy or RoutePolicy()
        self.plan = plan
        self.healths: list[Health] = [healths.of(each, policy.breaker) for each in plan.candidates]
        self.budget = RetryBudget(healths.now_s())
        self.hedges = HedgeBudget(policy.hedge.max_extra_cost) if policy.hedge else None
        self.now_s = healths.now_s
        self._fleet = Fleet([each.server for each in self.healths])
        self.fitness = Fitness(plan)
        self._random = random
        self._costs = Costs(plan.candidates, prices)
        self._weights = list(plan.weights or (1,) * len(plan.candidates))
        self._most = [each.max_concurrency or inf for each in plan.candidates]
        self.outliers = Outliers(policy.outlier, plan.main)
        self.queue: Queue | None = None
        if later is not None and policy.queue.length and any(each.max_concurrency for each in plan.candidates):
            self.queue = Queue(policy.queue, self.healths, self._most, healths.now_s, later, healths.queue(plan.alias))
        self._ahead = [0] * len(plan.candidates)
        self._pick = self._picks()[policy.strategy]
        self._shares_of_turns = self._weights if policy.strategy == "weighted" else [1] * len(self._weights)
        self._affinity = Affinity(plan, self._weights, self.healths, self._fleet)
        places = list(zip(range(len(self._most)), self.healths, self._most, strict=True))
        self._main, self._rest = places[: plan.main], places[plan.main :]

    def pick(self, asked: Asked, now_s: float, tried: Collection[int] = _NOTHING) -> int | None:
        """Choose who gets a call.

        Args:
            asked: The request.
            now_s: The present.
            tried: Who has had it already.

        Returns:
            Its place among the candidates; ``None`` when all have had it.

        Raises:
            Overloaded: Nobody may be given a call now; ``retry_after_s`` says when somebody may.
        """
        place = self.free(asked, now_s, tried)
        if place is not None:
            return place
        out = asked.barred.union(tried)
        if len(out) >= len(self.healths):
            return None
        return _last_resort(self.healths, now_s, out, again=bool(tried))

    def aim(self, asked: Asked, now_s: float, tried: Collection[int] = _NOTHING) -> int | None:
        """Choose who is to get a call that can wait: as :meth:`pick`, but also one that is full.

        Raises:
            Overloaded: As for :meth:`pick`; or too many wait already.
        """
        place = self.free(asked, now_s, tried)
        if place is not None:
            return place
        out = asked.barred.union(tried)
        if len(out) >= len(self.healths):
            return None
        queue, healths = self.queue, self.healths
        if queue is not None:
            full = [each for each in range(len(healths)) if each not in out and healths[each].ready(now_s)]
            refusal = queue.refusal(asked.caller) if full else None
            if full and refusal is None:
                return min(full, key=lambda each: (each >= self.plan.main, healths[each].in_flight / self._most[each]))
            if refusal is not None and not tried:
                raise queue.turned_away(refusal)
        return _last_resort(self.healths, now_s, out, again=bool(tried))

    def free(self, asked: Asked, now_s: float, tried: Collection[int] = _NOTHING) -> int | None:
        """Choose among those that have room now; ``None`` where none has."""
        if asked.barred:
            tried = asked.barred.union(tried)
        among = free = _free(self._main, now_s, tried)
        if self.outliers.until_s:
            out = self.outliers.out(now_s)
            among = [each for each in free if each not in out]
        if asked.spared:
            among = [each for each in among if each not in asked.spared] or among
        if among:
            return among[0] if len(among) == 1 else self._pick(among, asked, now_s)
        rest = _free(self._rest, now_s, tried)
        # Who stands out comes after those that step in, but before nobody.
        return (rest or free or (None,))[0]

    def note(self, place: int, now_s: float, *, bad: bool) -> None:
        """A call went well, or failed by its deployment's fault."""
        outliers = self.outliers
        if outliers.note(place, now_s, bad=bad):
            health = self.healths[place]
            health.ejected_until_s = max(health.ejected_until_s, outliers.out(now_s)[place])

    def full(self, index: int) -> bool:
        """Whether a candidate has as many calls as it takes."""
        return self.healths[index].in_flight >= self._most[index]

    def why_not(self, index: int, now_s: float) -> str:
        """Say why a candidate gets no call now; empty when it may."""
        health = self.healths[index]
        if not health.breaker.allows(now_s):
            return f"breaker {health.breaker.state(now_s)}"
        if not health.ready(now_s):
            return f"rests for {health.rests_s(now_s):.1f} s, as the provider asked"
        if self.full(index):
            return "full"
        until_s = self.outliers.out(now_s).get(index)
        return "" if until_s is None else f"fails more often than the others: left alone for {until_s - now_s:.1f} s"

    # --- strategies: each gets the places of two or more that are free

    def _picks(self) -> dict[Strategy, Pick]:
        return {
            "weighted": self._weighted,
            "round_robin": self._weighted,
            "random": lambda free, _asked, _now_s: self._any(free),
            "least_busy": self._least_busy,
            "lowest_ttft": lambda free, asked, now_s: self._quicker(free, now_s, _ttft if asked.stream else _whole),
            "lowest_tpot": lambda free, asked, now_s: self._quicker(free, now_s, _tpot if asked.stream else _whole),
            "lowest_cost": self._cheapest,
            "prefix_affinity": lambda free, asked, now_s: self._faithful(free, asked.prefix and asked.prefix(), now_s),
            "session_affinity": lambda free, asked, now_s: self._faithful(free, asked.session.encode(), now_s),
            "when-rules": lambda free, _asked, _now_s: free[0],
        }

    def _any(self, free: list[int]) -> int:
        return free[int(self._random.random() * len(free))]

    def _weighted(self, free: list[int], asked: Asked, now_s: float) -> int:
        """Smooth weighted round robin, as nginx does it: no bursts, exact shares, whoever is missing."""
        weights, ahead = self._shares_of_turns, self._ahead
        chosen, most, total = free[0], -inf, 0
        for each in free:
            weight = weights[each]
            total += weight
            ahead[each] = its = ahead[each] + weight
            if its > most:
                chosen, most = each, its
        ahead[chosen] -= total
        return chosen

    def _least_busy(self, free: list[int], asked: Asked, now_s: float) -> int:
        """Fewest calls on their way for its weight, and at its server; how full that is counts like so many more."""
        busy = self._busy(free, now_s)
        least = min(busy)
        ties = [each for each, its in zip(free, busy, strict=True) if its == least]
        return ties[0] if len(ties) == 1 else self._any(ties)

    def _busy(self, places: Sequence[int], now_s: float) -> list[float]:
        healths, weights = self.healths, self._weights
        if not self._fleet.tells:
            return [(healths[each].in_flight + 1) / weights[each] for each in places]
        told = self._fleet.told(now_s)
        return [(healths[each].in_flight + 1 + told[each].others) / weights[each] * told[each].times for each in places]

    def _quicker(self, free: list[int], now_s: float, average: Callable[[Health], PeakAverage]) -> int:
        """Of two picked by chance, the one where a call is likely to be served sooner.

        Two, not the best of all: else every call went to the one that happened to be quickest at the last look.
        """
        # One draw for both: chance comes from the system, and costs more than all the rest.
        others = len(free) - 1
        at, step = divmod(int(self._random.random() * len(free) * others), others)
        pair = free[at], free[(at + step + 1) % len(free)]
        one, other = self._busy(pair, now_s)
        # Who is not known yet is worth a try, but not all calls at once.
        one *= average(self.healths[pair[0]]).read(now_s) or 1e-4
        other *= average(self.healths[pair[1]]).read(now_s) or 1e-4
        return pair[0] if one <= other else pair[1]

    def _cheapest(self, free: list[int], asked: Asked, now_s: float) -> int:
        costs = self._costs.of(asked.model, now_s)
        least = min([costs[each] for each in free])
        cheap = [each for each in free if costs[each] == least]
        return cheap[0] if len(cheap) == 1 else self._least_busy(cheap, asked, now_s)

    def _faithful(self, free: list[int], key: bytes | None, now_s: float) -> int:
        return self._affinity.pick(free, key, now_s) if key else self._least_busy(free, NOBODY, now_s)


def _free(places: list[tuple[int, Health, float]], now_s: float, tried: Collection[int]) -> list[int]:
    """Find those that have room; nearly all are well and closed, which is told without asking."""
    return [
        each
        for each, health, most in places
        if health.in_flight < most
        and (not (health.breaker.until_s or health.rests_until_s) or health.ready(now_s))
        and each not in tried
    ]


def _last_resort(healths: list[Health], now_s: float, out: Collection[int], *, again: bool) -> int | None:
    """Nobody is ready: who is only out of favour gets the call, who asked for rest or is full does not."""
    left = [each for each in range(len(healths)) if each not in out]
    resting = [each for each in left if healths[each].breaker.allows(now_s)]
    if not resting:
        # All are open, so that refusing would help nobody: the one that opens first is asked.
        return min(left, key=lambda each: healths[each].breaker.opens_at_s())
    if again:
        return None
    wait_s = min(healths[each].rests_s(now_s) for each in resting)
    raise Overloaded("Every deployment of this model is busy.", retry_after_s=max(wait_s, 1.0))


def _ttft(health: Health) -> PeakAverage:
    return health.ttft


def _tpot(health: Health) -> PeakAverage:
    return health.tpot


def _whole(health: Health) -> PeakAverage:
    return health.whole
