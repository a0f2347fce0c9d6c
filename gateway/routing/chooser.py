"""Chooses among the deployments of one alias, by its strategy. Knows no request but by a few facts of it; no clock."""

from __future__ import annotations

from collections.abc import Callable, Collection
from hashlib import blake2b
from random import Random

import msgspec

from gateway.core.errors import Overloaded
from gateway.core.exchange import Deployment, RoutePlan, RoutePolicy, Strategy
from gateway.routing.budget import RetryBudget
from gateway.routing.ewma import PeakAverage
from gateway.routing.health import Health, Healths

# Affinity gives way where its deployment has so many times its share of the calls.
BOUND = 1.25
_NOTHING: tuple[int, ...] = ()
Prices = Callable[[Deployment, str], int | None]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What strategies may know of a request.

    Attributes:
        model: As the client wrote it.
        stream: Whether it wants its answer as a stream.
        session: As the client names it; empty when it names none.
        prefix: Works out what calls have in common that a provider's cache could use again.
    """

    model: str = ""
    stream: bool = False
    session: str = ""
    prefix: Callable[[], bytes] | None = None


NOBODY = Asked()
Pick = Callable[[list[int], Asked, float], int]


class Chooser:
    """Chooses deployments for the calls of one alias, the first and, when that fails, the next.

    Args:
        plan: The candidates, with a policy.
        healths: What is known of them.
        random: Breaks ties and picks pairs.
        prices: What a usual call costs at a deployment, in nano-dollars, for the model that the client named.
    """

    def __init__(self, plan: RoutePlan, healths: Healths, random: Random, prices: Prices | None = None) -> None:
        self.policy = policy = plan.policy or RoutePolicy()
        self.plan = plan
        self.healths: list[Health] = [healths.of(each, policy.breaker) for each in plan.candidates]
        self.budget = RetryBudget(healths.now_s())
        self.now_s = healths.now_s
        self._random = random
        self._prices = prices
        self._weights = list(plan.weights or (1,) * len(plan.candidates))
        self._ahead = [0] * len(plan.candidates)
        self._pick = self._picks()[policy.strategy]
        self._names = [f"{each.provider}/{each.model}".encode() for each in plan.candidates]

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
        free = self._free(range(self.plan.main), now_s, tried)
        if free:
            return free[0] if len(free) == 1 else self._pick(free, asked, now_s)
        rest = self._free(range(self.plan.main, len(self.healths)), now_s, tried)
        if rest:
            return rest[0]
        if len(tried) >= len(self.healths):
            return None
        return self._last_resort(now_s, tried)

    def why_not(self, index: int, now_s: float) -> str:
        """Say why a candidate gets no call now; empty when it may."""
        health = self.healths[index]
        if not health.breaker.allows(now_s):
            return f"breaker {health.breaker.state(now_s)}"
        if not health.ready(now_s):
            return f"rests for {health.rests_s(now_s):.1f} s, as the provider asked"
        if self._full(index):
            return "full"
        return ""

    def _full(self, index: int) -> bool:
        most = self.plan.candidates[index].max_concurrency
        return bool(most) and self.healths[index].in_flight >= most

    def _free(self, places: range, now_s: float, tried: Collection[int]) -> list[int]:
        healths = self.healths
        return [each for each in places if each not in tried and healths[each].ready(now_s) and not self._full(each)]

    def _last_resort(self, now_s: float, tried: Collection[int]) -> int | None:
        """Nobody is ready: who is only out of favour gets the call, who asked for rest or is full does not."""
        left = [each for each in range(len(self.healths)) if each not in tried]
        resting = [each for each in left if self.healths[each].breaker.allows(now_s)]
        if not resting:
            # All are open, so that refusing would help nobody: the one that opens first is asked.
            return min(left, key=lambda each: self.healths[each].breaker.opens_at_s())
        if tried:
            return None
        wait_s = min(self.healths[each].rests_s(now_s) for each in resting)
        raise Overloaded("Every deployment of this model is busy.", retry_after_s=max(wait_s, 1.0))

    # --- strategies: each gets the places of two or more that are free

    def _picks(self) -> dict[Strategy, Pick]:
        return {
            "weighted": self._weighted,
            "round_robin": self._weighted,
            "random": lambda free, _asked, _now_s: self._random.choice(free),
            "least_busy": self._least_busy,
            "lowest_ttft": lambda free, asked, now_s: self._quicker(free, now_s, _ttft if asked.stream else _whole),
            "lowest_tpot": lambda free, asked, now_s: self._quicker(free, now_s, _tpot if asked.stream else _whole),
            "lowest_cost": self._cheapest,
            "prefix_affinity": lambda free, asked, _now_s: self._faithful(free, asked.prefix and asked.prefix()),
            "session_affinity": lambda free, asked, _now_s: self._faithful(free, asked.session.encode()),
        }

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
        """Fewest calls on their way for its weight; how full a server says it is counts like so many calls more."""
        return min(free, key=lambda each: (self._busy(each), self._random.random()))

    def _busy(self, index: int) -> float:
        health = self.healths[index]
        busy = (health.in_flight + 1) / self._weights[index]
        return busy if health.load is None else busy * (1.0 + 3.0 * health.load)

    def _quicker(self, free: list[int], now_s: float, average: Callable[[Health], PeakAverage]) -> int:
        """Of two picked by chance, the one where a call is likely to be served sooner.

        Two, not the best of all: else every call went to the one that happened to be quickest at the last look.
        """
        one, other = self._random.sample(free, 2)
        return min((one, other), key=lambda each: self._wait(each, average(self.healths[each]).read(now_s)))

    def _wait(self, index: int, each_s: float) -> float:
        # Who is not known yet is worth a try, but not all calls at once.
        return (each_s or 1e-4) * self._busy(index)

    def _cheapest(self, free: list[int], asked: Asked, now_s: float) -> int:
        def price(index: int) -> tuple[bool, int, float]:
            known = None if self._prices is None else self._prices(self.plan.candidates[index], asked.model)
            return known is None, known or 0, self._busy(index)

        return min(free, key=price)

    def _faithful(self, free: list[int], key: bytes | None) -> int:
        """The same key to the same deployment, as long as that has not much more than its share of the calls.

        Rendezvous hashing: when a deployment comes or goes, no key moves but those that must. Bounded load: Mirrokni,
        Thorup, Zadimoghaddam 2016 (https://arxiv.org/abs/1608.01350).
        """
        if not key:
            return self._least_busy(free, NOBODY, 0.0)
        key = blake2b(key, digest_size=16).digest()
        busy = [self.healths[each].in_flight for each in free]
        most = BOUND * (sum(busy) + 1) / len(free)
        order = sorted(free, key=lambda each: _rank(self._names[each], key), reverse=True)
        return next((each for each in order if self.healths[each].in_flight + 1 <= max(1.0, most)), order[0])


def _rank(name: bytes, key: bytes) -> bytes:
    return blake2b(name, key=key, digest_size=8).digest()


def _ttft(health: Health) -> PeakAverage:
    return health.ttft


def _tpot(health: Health) -> PeakAverage:
    return health.tpot


def _whole(health: Health) -> PeakAverage:
    return health.whole
