"""What asking two at once makes of first bytes that come late now and then, and what it costs.

python -m loadtests.hedges [CALLS]

A discrete-event simulation over the gateway's own choosers, trips, learned waits and budget. A deployment's first byte
comes after a log-normal time, and now and then after ten times that; calls do not disturb one another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from types import SimpleNamespace
from typing import Any

from gateway.core.exchange import Deployment, HedgeRule, RoutePlan, RoutePolicy
from gateway.routing.chooser import Asked, Chooser
from gateway.routing.health import Healths
from gateway.routing.hedge_budget import Amount
from gateway.trip import Trip
from loadtests.fleet import quantile

CALLS = 40_000
RATE = 20.0
# Of a call: what is asked, and what is answered on average, for so many dollars a million tokens.
TOKENS_IN, TOKENS_OUT = 600, 150
PRICE_IN, PRICE_OUT = 1.0, 4.0
TPOT_S = 0.01
# Half of all first bytes come within this; sigma of its logarithm, and how many times longer a late one takes.
MEDIAN_S, SIGMA, LATE_TIMES = 0.3, 0.4, 10.0
_NANO = 1000.0

RULES: dict[str, HedgeRule | None] = {
    "off": None,
    "after p95, 10%": HedgeRule(quantile=0.95, max_extra_cost=0.1),
    "after p90, 10%": HedgeRule(quantile=0.9, max_extra_cost=0.1),
    "after p50, 10%": HedgeRule(quantile=0.5, max_extra_cost=0.1),
    "after p95, 1%": HedgeRule(quantile=0.95, max_extra_cost=0.01),
    "after 800ms, 10%": HedgeRule(after_s=0.8, max_extra_cost=0.1),
}
# How often each of the deployments is late.
SCENES = {
    "all": ("each of three is late with 3 of 100 calls", (0.03, 0.03, 0.03)),
    "one": ("one of three is late with 9 of 100 calls, the others never", (0.09, 0.0, 0.0)),
}


@dataclass
class Side:
    """One deployment at work on a call."""

    trip: Trip
    sent_s: float
    stopped: bool = False


@dataclass
class Served:
    """One call: who is at work on it, and what becomes of it."""

    out: int
    at_s: float
    sides: list[Side] = field(default_factory=list)
    begun: bool = False
    first_s: float = 0.0


@dataclass
class Outcome:
    """What came of all calls.

    Attributes:
        first_s: Until the first byte, for each call.
        asked_twice: Calls that were given to two.
        dollars: What the answers cost.
        lost: What those cost that nobody got.
    """

    first_s: list[float] = field(default_factory=list)
    asked_twice: int = 0
    dollars: float = 0.0
    lost: float = 0.0


class Alias:
    """An alias under a rule, and its deployments.

    Args:
        late: How often each of them is late.
        rule: When a second one is asked.
        seed: Of all chance.
    """

    def __init__(self, late: tuple[float, ...], rule: HedgeRule | None, seed: int = 1) -> None:
        self.now_s = 0.0
        self._late = late
        # Whoever is asked twice must not change what comes to the calls after it.
        self._random, self._chances = Random(seed), Random(seed + 1)
        candidates = tuple(
            Deployment(provider=f"p{at}", kind="openai", model="m", base_url=f"http://p{at}", credential=b"")
            for at in range(len(late))
        )
        plan = RoutePlan(
            alias="m",
            candidates=candidates,
            weights=(1,) * len(late),
            main=len(late),
            policy=RoutePolicy(strategy="round_robin", hedge=rule),
        )
        self._chooser = Chooser(plan, Healths(lambda: self.now_s), self._random)
        self.outcome = Outcome()
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._number = 0

    def serve(self, number: int) -> Outcome:
        """Let calls come at random moments, and end."""
        at_s = 0.0
        for _ in range(number):
            at_s += self._random.expovariate(RATE)
            out = 2 + int(self._random.expovariate(1 / TOKENS_OUT))
            self._at(at_s, self._arrive, Served(out, at_s))
        while self._events:
            self.now_s, _, happens, what = heappop(self._events)
            happens(what)
        return self.outcome

    def _at(self, at_s: float, happens: Callable[[Any], None], what: object) -> None:
        self._number += 1
        heappush(self._events, (at_s, self._number, happens, what))

    def _arrive(self, served: Served) -> None:
        trip = Trip(self._chooser, Asked(model="m", stream=True), self._random)
        trip.take()
        self._ask(served, trip)
        after_s = trip.hedge_after_s()
        if after_s is not None:
            self._at(self.now_s + after_s, self._waits, served)

    def _ask(self, served: Served, trip: Trip) -> None:
        trip.begin()
        side = Side(trip, self.now_s)
        served.sides.append(side)
        wait_s = MEDIAN_S * self._chances.lognormvariate(0.0, SIGMA)
        if self._chances.random() < self._late[trip.place]:
            wait_s *= LATE_TIMES
        self._at(self.now_s + wait_s, self._first, (served, side))

    def _waits(self, served: Served) -> None:
        first = served.sides[0].trip
        if served.begun or (budget := first.hedges) is None or (beside := first.beside()) is None:
            return
        if not budget.take(_asking()):
            beside.leave()
            return
        self.outcome.asked_twice += 1
        self._ask(served, beside)
        first.made = beside.made

    def _first(self, what: tuple[Served, Side]) -> None:
        served, side = what
        if side.stopped:
            return
        served.begun, served.first_s = True, self.now_s
        side.trip.waited(self.now_s - side.sent_s)
        side.trip.learning(round(side.sent_s * 1e9), _no_head)(_NO_CALL)
        for other in served.sides:
            if other is not side:
                other.stopped = True
                other.trip.outrun(self.now_s - other.sent_s)
                # Nothing of it had come: what was asked is paid for.
                self.outcome.lost += TOKENS_IN * PRICE_IN / 1e6
        self._at(self.now_s + (served.out - 1) * TPOT_S, self._end, what)

    def _end(self, what: tuple[Served, Side]) -> None:
        served, side = what
        side.trip.end(_attempt(served, side, self.now_s), None)
        dollars = (TOKENS_IN * PRICE_IN + served.out * PRICE_OUT) / 1e6
        if side.trip.hedges is not None:
            side.trip.hedges.earn(Amount(TOKENS_IN + served.out, dollars * 1e9))
        self.outcome.first_s.append(served.first_s - served.at_s)
        self.outcome.dollars += dollars


def _asking() -> Amount:
    return Amount(TOKENS_IN, TOKENS_IN * PRICE_IN * _NANO)


def _no_head(_call: Any) -> bytes:
    return b""


_NO_CALL: Any = None


def _attempt(served: Served, side: Side, now_s: float) -> Any:
    """What the gateway sees of a call that is over."""
    return SimpleNamespace(
        status=200,
        headers={},
        reader=SimpleNamespace(facts=SimpleNamespace(chunks=served.out)),
        sent_ns=round(side.sent_s * 1e9),
        answered_ns=round(served.first_s * 1e9),
        first_ns=round(served.first_s * 1e9),
        ended_ns=round(now_s * 1e9),
    )


def run(scene: str, rule: str, number: int, seed: int = 1) -> Outcome:
    """Serve a scene's calls under a rule."""
    return Alias(SCENES[scene][1], RULES[rule], seed).serve(number)


def main(number: int) -> None:
    """Print a table for each scene."""
    for scene, (what, _) in SCENES.items():
        print(f"\n`{scene}`: {what}\n")
        print("| `hedge` | first byte p50 / p95 / p99 / p99.9, s | calls asked twice | extra cost |")
        print("| --- | ---: | ---: | ---: |")
        for rule in RULES:
            made = run(scene, rule, number)
            times = " / ".join(f"{quantile(made.first_s, share):.2f}" for share in (0.5, 0.95, 0.99, 0.999))
            print(f"| {rule} | {times} | {made.asked_twice / number:.1%} | {made.lost / made.dollars:.1%} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
