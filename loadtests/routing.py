"""What each strategy makes of deployments that are slow, uneven or know some prompts, and what choosing costs.

python -m loadtests.routing [CALLS]
"""

from __future__ import annotations

import sys
import time
from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random, SystemRandom
from typing import get_args

from gateway.core.exchange import Deployment, RoutePolicy, Strategy
from gateway.core.server_load import LoadReading, LoadSource
from gateway.routing.chooser import Asked, Chooser
from gateway.routing.health import Healths
from gateway.routing.table import RouteEntry, Router
from gateway.trip import Trip
from loadtests.fleet import Ask, Fleet, Maker, Outcome, quantile

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
CALLS = 30_000
ALIASES, CANDIDATES = 50, 8
TOKENS_OUT = 150


@dataclass(frozen=True)
class Scene:
    """A fleet and its load.

    Attributes:
        makers: The deployments, told how long the whole will take.
        rate: Calls a second.
        prefixes: How many different ones there are; the n-th is asked for 1 / n as often as the first.
        shared: Tokens of a prefix.
        others: Calls a second that go to each deployment past the gateway.
        every_s: How often deployments are asked how busy they are; 0.0 for never.
    """

    what: str
    makers: Callable[[float], list[Maker]]
    rate: float
    prefixes: int = 1
    shared: int = 500
    others: tuple[float, ...] = ()
    every_s: float = 0.0


def slowed(times: float, total_s: float) -> Callable[[float], float]:
    """So many times slower in the middle three fifths."""
    return lambda now_s: times if 0.2 * total_s <= now_s < 0.8 * total_s else 1.0


def _one_slow(slots: int) -> Callable[[float], list[Maker]]:
    usual = Maker(slots=slots)
    return lambda total_s: [usual, usual, replace(usual, pace=slowed(10.0, total_s)), usual]


def _uneven(_total_s: float) -> list[Maker]:
    """The quick ones are dear."""
    return [
        Maker(ttft_s=0.15, tpot_s=0.01, slots=32, told=True, price=(3.0, 12.0)),
        Maker(ttft_s=0.3, tpot_s=0.02, slots=32, told=True, price=(1.5, 6.0)),
        Maker(ttft_s=0.2, tpot_s=0.025, slots=32, told=True, price=(1.0, 4.0)),
        Maker(ttft_s=0.9, tpot_s=0.05, slots=64, told=True, price=(0.3, 1.2)),
    ]


def _knowing(cache: int, slots: int) -> Callable[[float], list[Maker]]:
    return lambda _total_s: [Maker(cache=cache, slots=slots)] * 4


SCENES = {
    "slow": Scene("one of four slows tenfold, with room for all", _one_slow(1000), 20.0),
    "tight": Scene("the same with 24 calls at once each; the others queue", _one_slow(24), 20.0),
    "uneven": Scene("four of different speed and price, their `concurrency` configured", _uneven, 14.0),
    "prefixes": Scene("caches for 1,000 of 3,000 prefixes each, busy", _knowing(1000, 64), 60.0, 3000, 3000),
    "quiet": Scene("the same, two calls at a time in all", _knowing(1000, 64), 1.0, 3000, 3000),
    "shared": Scene(
        "caches for 1,000 of 3,000 prefixes each, 24 calls at once each; others keep two of the four busy",
        _knowing(1000, 24), 16.0, 3000, 3000, others=(11.0, 9.0, 0.0, 0.0),
    ),
}  # fmt: skip
SCENES["told"] = replace(SCENES["shared"], what="the same, and each says how busy it is, every second", every_s=1.0)


def asks(scene: Scene, number: int, seed: int = 1) -> list[Ask]:
    """Calls at random moments; the lengths of answers are exponential, the favour of prefixes by Zipf's law."""
    random = Random(seed)
    favour = list(accumulate(1.0 / (at + 1) for at in range(scene.prefixes)))
    now_s, made = 0.0, list[Ask]()
    for _ in range(number):
        now_s += random.expovariate(scene.rate)
        prefix = str(bisect(favour, random.random() * favour[-1]))
        session = f"{prefix}/{random.randrange(8)}"
        out = 2 + int(random.expovariate(1 / TOKENS_OUT))
        made.append(Ask(at_s=now_s, prefix=prefix, session=session, shared=scene.shared, own=100, out=out))
    return made


def foreign(scene: Scene, until_s: float, seed: int = 1) -> list[Ask]:
    """Calls of others, which the gateway does not see."""
    random, made = Random(seed + 1000), list[Ask]()
    for place, rate in enumerate(scene.others):
        now_s = random.expovariate(rate) if rate else until_s
        while now_s < until_s:
            out = 2 + int(random.expovariate(1 / TOKENS_OUT))
            name = f"others/{len(made)}"
            made.append(Ask(at_s=now_s, prefix=name, session=name, shared=500, own=100, out=out, place=place))
            now_s += random.expovariate(rate)
    return made


def run(scene: Scene, strategy: Strategy, number: int, seed: int = 1) -> Outcome:
    """Let a strategy serve a scene's calls."""
    made = asks(scene, number, seed)
    others = foreign(scene, made[-1].at_s, seed)
    return Fleet(scene.makers(made[-1].at_s), strategy, seed, scene.every_s).serve([*made, *others])


def perfect_hits(scene: Scene, number: int, seed: int = 1) -> int:
    """The hits of one cache that forgets nothing: only the first call with a prefix misses."""
    return number - len({each.prefix for each in asks(scene, number, seed)})


def report(number: int) -> None:
    """Print a table for each scene."""
    for name, scene in SCENES.items():
        perfect = perfect_hits(scene, number) if scene.prefixes > 1 else 0
        print(f"\n`{name}`: {scene.what}; {scene.rate:g} calls/s\n")
        more = " hits of a perfect cache |" if perfect else ""
        print(f"| strategy | first token p50 / p99, s | whole p50 / p99, s | $ / 1,000 calls | imbalance |{more}")
        print("| --- | ---: | ---: | ---: | ---: |" + (" ---: |" if perfect else ""))
        for strategy in STRATEGIES:
            made = run(scene, strategy, number)
            times = [f"{quantile(each, 0.5):.2f} / {quantile(each, 0.99):.2f}" for each in (made.first_s, made.whole_s)]
            share = f" {made.hits / perfect:.3f} |" if perfect else ""
            print(
                f"| `{strategy}` | {times[0]} | {times[1]} | {made.dollars / number * 1e3:.2f} "
                f"| {made.imbalance():.2f} |{share}"
            )


def planner(
    strategy: Strategy, now_s: Callable[[], float], *, told: bool = False
) -> tuple[Callable[[int], Trip], list[Chooser]]:
    """What the gateway does for each call, over 50 aliases with 8 candidates: find the alias, choose a deployment.

    Args:
        strategy: Who chooses.
        now_s: The clock.
        told: Every server says how busy it is.
    """
    lines = tuple(
        RouteEntry(
            alias=f"alias-{alias}",
            deployment=Deployment(
                provider=f"p{at}", kind="openai", model=f"m{alias}", base_url=f"http://p{at}", credential=b""
            ),
            weight=1 + at,
        )
        for alias in range(ALIASES)
        for at in range(CANDIDATES)
    )
    names = [f"alias-{alias}" for alias in range(ALIASES)]
    router = Router(lines, policies=dict.fromkeys(names, RoutePolicy(strategy=strategy)))
    healths, random = Healths(now_s), SystemRandom()
    if told:
        names_of = [f"p{at}" for at in range(CANDIDATES)]
        healths.watch({each: LoadSource(kind="vllm", url=f"http://{each}", every_s=60.0) for each in names_of})
        for at, each in enumerate(names_of):
            healths.said(each, LoadReading(queue=at % 3, running=10 + at, kv_use=at / 10))
    choosers = {name: Chooser(router.plan(name), healths, random, lambda _deployment, _model: 1000) for name in names}
    busy = Random(2)
    for chooser in choosers.values():
        for health in chooser.healths:
            health.in_flight = busy.randrange(8)
            for average in (health.ttft, health.tpot, health.whole):
                average.note(busy.random(), now_s())
    prefixes = [f"{number:032x}".encode() for number in range(1000)]

    def plan(number: int) -> Trip:
        name, prefix = names[number % ALIASES], prefixes[number % 1000]
        asked = Asked(model=name, stream=True, session=prefix.decode(), prefix=lambda: prefix)
        return Trip(choosers[router.plan(name).alias], asked, random)

    return plan, list(choosers.values())


def cost_us(strategy: Strategy, number: int = 2000, rounds: int = 50, *, told: bool = False) -> float:
    """The least CPU time of a plan in several rounds, in microseconds."""
    plan, _ = planner(strategy, time.monotonic, told=told)
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for each in range(number):
            plan(each)
        best = min(best, time.process_time() - began)
    return best / number * 1e6


def main(number: int) -> None:
    """Print all tables."""
    report(number)
    print("\nA plan, 50 aliases with 8 candidates each:\n\n| strategy | CPU us | where servers tell their load |")
    print("| --- | ---: | ---: |")
    for strategy in STRATEGIES:
        print(f"| `{strategy}` | {cost_us(strategy):.1f} | {cost_us(strategy, told=True):.1f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
