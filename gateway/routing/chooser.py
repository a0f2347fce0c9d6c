"""Chooses among the deployments of one alias, by its strategy. Knows no request but by a few facts of it; no clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from math import inf
from random import Random

import msgspec

from gateway.core.errors import Overloaded
from gateway.core.exchange import Deployment, RoutePlan, RoutePolicy, Strategy
from gateway.routing.budget import RetryBudget
from gateway.routing.ewma import PeakAverage
from gateway.routing.fitness import Fitness
from gateway.routing.health import Health, Healths
from gateway.routing.hedge_budget import HedgeBudget
from gateway.routing.outlier import Outliers
from gateway.routing.queue import Later, Queue
from gateway.routing.server_load import Fleet

# Affinity gives way where its deployment has so many times its share of the calls that are under way, and of those that
# were given lately: less of these, since it takes some until a share that grows is seen.
BOUND, BOUND_LATELY = 1.25, 1.2
# So few calls under way are no load, whatever the others have.
FEW = 4
# What "lately" is: calls for each deployment, after which all that came before counts half.
LATELY = 256
# A server that is full counts as if it had so many times more calls, besides those that it has.
FULLNESS = 3.0
# Affinity leaves a server alone that is so full, while others are not: what its cache saves is lost in its queue.
TOO_FULL = 0.9
_WORD = 2**64 - 1
_UNIT = 2.0**-64
_NOTHING: tuple[int, ...] = ()
Prices = Callable[[Deployment, str], int | None]


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
    """

    model: str = ""
    stream: bool = False
    session: str = ""
    caller: str = ""
    prefix: Callable[[], bytes] | None = None
    barred: frozenset[int] = frozenset()
    spared: frozenset[int] = frozenset()


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
        self._prices = prices
        self._weights = list(plan.weights or (1,) * len(plan.candidates))
        self._most = [each.max_concurrency or inf for each in plan.candidates]
        self.outliers = Outliers(policy.outlier, plan.main)
        self.queue: Queue | None = None
        if later is not None and policy.queue.length and any(each.max_concurrency for each in plan.candidates):
            self.queue = Queue(policy.queue, self.healths, self._most, healths.now_s, later, healths.queue(plan.alias))
        self._ahead = [0] * len(plan.candidates)
        self._pick = self._picks()[policy.strategy]
        self._seeds = [_number(f"{each.provider}/{each.model}".encode()) for each in plan.candidates]
        self._shares = _around_one(self._weights)
        self._powers = [1.0 / each for each in self._shares]
        self._given = [float(LATELY)] * len(plan.candidates)
        self._until_older = LATELY * len(plan.candidates)

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
        among = free = self._free(range(self.plan.main), now_s, tried)
        if self.outliers.until_s:
            out = self.outliers.out(now_s)
            among = [each for each in free if each not in out]
        if asked.spared:
            among = [each for each in among if each not in asked.spared] or among
        if among:
            return among[0] if len(among) == 1 else self._pick(among, asked, now_s)
        rest = self._free(range(self.plan.main, len(self.healths)), now_s, tried)
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

    def _free(self, places: range, now_s: float, tried: Collection[int]) -> list[int]:
        healths, most = self.healths, self._most
        return [
            each
            for each in places
            if each not in tried and (health := healths[each]).in_flight < most[each] and health.ready(now_s)
        ]

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
        weights = self._weights if self.policy.strategy == "weighted" else [1] * len(self._weights)
        ahead = self._ahead
        for each in free:
            ahead[each] += weights[each]
        chosen = max(free, key=ahead.__getitem__)
        ahead[chosen] -= sum(weights[each] for each in free)
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
        return [
            (healths[each].in_flight + 1 + told[each].others) / weights[each] * (1.0 + FULLNESS * told[each].full)
            for each in places
        ]

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
        prices, candidates = self._prices, self.plan.candidates
        known = [None if prices is None else prices(candidates[each], asked.model) for each in free]
        costs = [inf if each is None else each for each in known]
        least = min(costs)
        cheap = [each for each, cost in zip(free, costs, strict=True) if cost == least]
        return cheap[0] if len(cheap) == 1 else self._least_busy(cheap, asked, now_s)

    def _faithful(self, free: list[int], key: bytes | None, now_s: float) -> int:
        """The same key to the same deployment, as long as that has not much more than its share of the calls.

        Rendezvous hashing by weight: when a deployment comes or goes, no key moves but those that must. Bounded load:
        Mirrokni, Thorup, Zadimoghaddam 2016 (https://arxiv.org/abs/1608.01350), by what was given lately too: where
        few calls are under way at once, these alone say nothing of the shares.
        """
        if not key:
            return self._least_busy(free, NOBODY, now_s)
        healths, given, seeds, powers = self.healths, self._given, self._seeds, self._powers
        if self._fleet.tells:
            free, told = self._spared(free, now_s), self._fleet.told(now_s)
            busy = [healths[each].in_flight + round(told[each].others) for each in free]
        else:
            busy = [healths[each].in_flight for each in free]
        shares, calls, heavy = self._shares, 1, 0.0
        for each, its in zip(free, busy, strict=True):
            calls += its
            heavy += shares[each]
        most = BOUND * calls / heavy
        # Never nobody; and who is spared for being slow does not lower what the others may have.
        even = [each for each, its in zip(free, busy, strict=True) if its < FEW or its + 1 <= most * shares[each]]
        lately = heavy = 0.0
        for each in even:
            lately += given[each] * shares[each]
            heavy += shares[each]
        most_given = BOUND_LATELY * lately / heavy
        among = [each for each in even if given[each] <= most_given]
        number = _number(key)
        # The upper bits of a product depend on all bits of both, so that each key has an order of its own.
        order = [((number * seeds[each] & _WORD) * _UNIT) ** powers[each] for each in among]
        chosen = among[order.index(max(order))]
        given[chosen] += powers[chosen]
        self._until_older -= 1
        if not self._until_older:
            self._until_older = LATELY * len(given)
            self._given = [each / 2.0 for each in given]
        return chosen

    def _spared(self, free: list[int], now_s: float) -> list[int]:
        """Leave out whose server is full, unless all are."""
        told = self._fleet.told(now_s)
        return [each for each in free if told[each].full < TOO_FULL] or free


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


def _around_one(weights: list[int]) -> list[float]:
    """Weights with one as their mean: all alike are none."""
    mean = sum(weights) / len(weights)
    return [each / mean for each in weights]


def _number(key: bytes) -> int:
    """An odd number of 64 bits, evenly spread and the same in every process."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") | 1


def _ttft(health: Health) -> PeakAverage:
    return health.ttft


def _tpot(health: Health) -> PeakAverage:
    return health.tpot


def _whole(health: Health) -> PeakAverage:
    return health.whole
