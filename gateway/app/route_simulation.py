"""A thousand calls with one request, none of them made: what a strategy makes of it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection
from random import SystemRandom

import msgspec

from gateway.core.errors import Overloaded
from gateway.core.exchange import RoutePlan, RoutePolicy
from gateway.request_facts import RequestFacts
from gateway.routing.chooser import Asked, Chooser
from gateway.routing.costs import Prices
from gateway.routing.fitness import Fitness
from gateway.routing.health import Healths

PICKS = 1000


class Simulation:
    """Calls with the same request, one after the other, some of them under way at any time.

    Args:
        plan: Where they can go.
        unfit: Places of those that cannot carry the request.
        prices: What a usual call costs.
        asked: The request, for strategies.
        facts: The same, for conditions.
        under_way: How many calls are under way at any time.

    Attributes:
        fit: Where the first call may go.
        keeps_arm: All calls have the arm of the first.
        asks_verdict: Conditions ask what rules make of the request.
        chosen: How many calls each place got.
        full: How many calls found it full.
        tries: Where one call goes when every try fails.
        first: The place that the first call got; ``None`` when nobody could take it.
    """

    def __init__(
        self,
        plan: RoutePlan,
        unfit: Collection[int],
        prices: Prices,
        asked: Asked,
        facts: RequestFacts,
        under_way: int = 1,
    ) -> None:
        self._plan = plan
        self._unfit = frozenset(unfit)
        self._facts = facts
        self._random = SystemRandom()
        self._fitness = fitness = Fitness(plan)
        self.asks_verdict = fitness.asks_verdict
        self.fit = fitness.of(facts, self._random)
        split = None if plan.policy is None else plan.policy.split
        self.keeps_arm = split is None or bool(getattr(facts, split.sticky_by))
        self._prices = prices
        self._asked = asked
        self.chosen: Counter[int] = Counter()
        self.full: Counter[int] = Counter()
        self.first: int | None = None
        if plan.policy is None:
            self._only()
        else:
            self._run(self._chooser(), under_way)
        self.tries = self._failing(plan.policy)

    def _only(self) -> None:
        """Without a policy the first deployment serves every call."""
        if 0 not in self._unfit:
            self.first, self.chosen[0] = 0, PICKS

    def _chooser(self) -> Chooser:
        return Chooser(self._plan, Healths(lambda: 0.0), self._random, self._prices)

    def _run(self, chooser: Chooser, under_way: int) -> None:
        going: deque[int] = deque()
        for turn in range(PICKS):
            if len(going) >= under_way:
                chooser.healths[going.popleft()].leave()
            self.full.update(each for each in range(len(chooser.healths)) if chooser.why_not(each, 0.0) == "full")
            place = self._next(chooser, [])
            if place is None:
                continue
            if turn == 0:
                self.first = place
            chooser.healths[place].begin(0.0)
            going.append(place)
            self.chosen[place] += 1

    def _next(self, chooser: Chooser, tried: list[int]) -> int | None:
        """Choose as a call on its way does."""
        fit = self.fit if self.keeps_arm else self._fitness.of(self._facts, self._random)
        if fit.error is not None:
            return None
        asked = msgspec.structs.replace(self._asked, barred=fit.barred | self._unfit, spared=fit.spared)
        try:
            return chooser.pick(asked, 0.0, tried)
        except Overloaded:
            return None

    def _failing(self, policy: RoutePolicy | None) -> tuple[tuple[str, str], ...]:
        if policy is None:
            return () if self.first is None else ((self._name(self.first), "first"),)
        chooser, tried, tries = self._chooser(), list[int](), list[tuple[str, str]]()
        for number in range(policy.retries + 1):
            place, kind = self._next(chooser, tried), "fallback" if number else "first"
            if place is None:
                if not tried:
                    break
                place, kind = tried[0], "retry"
            else:
                tried.append(place)
            tries.append((self._name(place), kind))
        return tuple(tries)

    def _name(self, place: int) -> str:
        deployment = self._plan.candidates[place]
        return f"{deployment.provider}/{deployment.model or self._asked.model}"
