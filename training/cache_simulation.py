"""Simulates what the promise is for: ``python -m training.cache_simulation``.

A stream of 20,000 requests with one partition: half of them have a neighbour, 5 % of all are near misses. In the first
stream chances are those that the shipped verifier gave held-out pairs (``reports/cache.json``). In the others they are
made up, roughly like these; how often a likely neighbour is wrong drifts, or traffic shifts at once: from one request
on, a share of all neighbours is wrong, whatever the verifier says of them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from math import exp, lgamma, log, log1p
from pathlib import Path

import msgspec

from gateway.cache.promise import Promise

REQUESTS, NEIGHBOURS, NEAR_MISSES = 20_000, 0.5, 0.05
STREAMS = 20
# More where a quantile is told: of twenty, the 95th percentile is the worst.
SHIFTS = 200
# How large a share of hits is compared where nothing is suspicious, as the configuration has it.
SAMPLE = 0.1
REPORT = Path(__file__).parent / "reports" / "cache.json"
# Chances of neighbours that serve, and of near misses.
RIGHT = (0.62, 0.83, 0.93, 0.96, 0.97, 0.98, 0.983, 0.986, 0.989, 0.993)
NEAR = (0.0, 0.0, 0.001, 0.002, 0.004, 0.01, 0.03, 0.08, 0.2, 0.3)
# So many near misses are taken for paraphrases: twice what was measured.
SLIPS = 0.01


class Outcome(msgspec.Struct, frozen=True):
    """What came of one stream.

    Attributes:
        served: Answers out of the cache.
        wrong: Those that were wrong.
        fell_after: Requests from the shift until nothing is served; -1 where that never came.
    """

    served: int
    wrong: int
    fell_after: int


# Draws a chance, and whether the answer serves, given how often a likely neighbour is wrong.
Neighbour = Callable[[random.Random, float], tuple[float, bool]]


def stream(
    seed: int,
    *,
    drift: Sequence[float] = (0.0, 0.0),
    shift_at: int = -1,
    shift_to: float = 0.0,
    neighbour: Neighbour | None = None,
) -> Outcome:
    """Run a stream.

    Args:
        seed: Of the chance.
        drift: How often a likely neighbour is wrong, at the beginning and at the end.
        neighbour: Draws the neighbours; :func:`made_up` where there is none.
        shift_at: The request at which traffic shifts; none where negative.
        shift_to: How often neighbours are wrong from there on.
    """
    rng = random.Random(seed)
    promise = Promise(0.01)
    draw = neighbour or made_up
    served = wrong = 0
    fell = -1
    for number in range(REQUESTS):
        if rng.random() >= NEIGHBOURS:
            continue
        chance, right = draw(rng, drift[0] + (drift[1] - drift[0]) * number / REQUESTS)
        shifted = 0 <= shift_at <= number
        if shifted:
            right = right and rng.random() >= shift_to
        # Who suspects something compares before it serves.
        if promise.allows("p", chance):
            served, wrong = served + 1, wrong + (not right)
            if rng.random() < SAMPLE or promise.careful("p"):
                promise.note("p", chance, right=right)
        else:
            promise.note("p", chance, right=right)
        if shifted and fell < 0 and promise.threshold("p") is None:
            fell = number - shift_at
    return Outcome(served, wrong, fell)


def made_up(rng: random.Random, often: float) -> tuple[float, bool]:
    """Return a chance and whether the answer serves."""
    if rng.random() < NEAR_MISSES / NEIGHBOURS:
        return (rng.uniform(0.95, 1.0), False) if rng.random() < SLIPS else (rng.choice(NEAR), False)
    chance = rng.choice(RIGHT)
    return chance, rng.random() >= (often if chance >= 0.95 else 6 * often)


def as_measured(report: Path = REPORT) -> Neighbour:
    """Return what draws chances as they were measured on held-out pairs: made paraphrases, STS-B >= 4, near misses."""
    rows = json.loads(report.read_text(encoding="utf-8"))["curve"]
    limits = [row["threshold"] for row in rows]
    right = tuple([row[name] for row in rows] for name in ("changed_recall", "stsb_recall"))
    near = [row["near_served"] for row in rows]

    def chance(rng: random.Random, shares: Sequence[float]) -> float:
        """Between the highest threshold that this share of pairs reaches, and the next."""
        drawn = rng.random()
        reached = sum(drawn < share for share in shares)
        return rng.uniform(limits[reached - 1] if reached else 0.0, limits[reached] if reached < len(limits) else 1.0)

    def draw(rng: random.Random, _often: float) -> tuple[float, bool]:
        if rng.random() < NEAR_MISSES / NEIGHBOURS:
            return chance(rng, near), False
        return chance(rng, rng.choice(right)), True

    return draw


def upper(wrong: int, served: int, sure: float = 0.95) -> float:
    """Return the upper bound of Clopper and Pearson."""
    low, high = max(1e-12, wrong / max(1, served)), 1.0 - 1e-12
    for _ in range(40):
        middle = (low + high) / 2
        if _at_most(wrong, served, middle) > 1 - sure:
            low = middle
        else:
            high = middle
    return high


def _at_most(wrong: int, served: int, error: float) -> float:
    """Return how likely at most so many are wrong."""
    logs = [
        lgamma(served + 1) - lgamma(number + 1) - lgamma(served - number + 1)
        + number * log(error) + (served - number) * log1p(-error)
        for number in range(wrong + 1)
    ]  # fmt: skip
    return min(1.0, sum(exp(each) for each in logs))


def main() -> None:
    """Run many streams and say what came of them."""
    measured = as_measured()
    for name, drift, neighbour in (
        ("measured", (0.0, 0.0), measured),
        ("steady", (0.002, 0.002), made_up),
        ("drift", (0.001, 0.012), made_up),
        ("bad", (0.03, 0.03), made_up),
    ):
        made = [stream(seed, drift=drift, neighbour=neighbour) for seed in range(STREAMS)]
        served, wrong = sum(each.served for each in made), sum(each.wrong for each in made)
        kept = sum(each.wrong <= 0.01 * max(1, each.served) or each.served < 100 for each in made)
        print(f"{name}: {served / STREAMS:.0f} served of {REQUESTS}, error {wrong / max(1, served):.3%},"
              f" at most {upper(wrong, served):.3%}; kept in {kept} of {STREAMS}")  # fmt: skip
    for share, neighbour in (
        (0.1, made_up),
        (0.2, made_up),
        (0.5, made_up),
        (1.0, made_up),
        (0.2, measured),
        (0.5, measured),
        (1.0, measured),
    ):
        drift = (0.002, 0.002)
        made = [
            stream(seed, drift=drift, shift_at=10_000, shift_to=share, neighbour=neighbour) for seed in range(SHIFTS)
        ]
        after = sorted(each.fell_after if each.fell_after >= 0 else REQUESTS for each in made)
        middle, most_of = after[SHIFTS // 2], after[SHIFTS * 95 // 100 - 1]
        wrong, served = sum(each.wrong for each in made), sum(each.served for each in made)
        kind = "as measured" if neighbour is measured else "made up"
        print(f"shift to {share:.0%}, {kind}: falls back after {middle} (median), {most_of} (of 95 %),"
              f" {after[-1]} (most) requests; error over all {wrong / served:.3%}")  # fmt: skip


if __name__ == "__main__":
    main()
