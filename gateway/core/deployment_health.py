"""How a deployment fares, as workers tell the operator; and how what several tell is put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

# Deployments that are told apart; clients choose the names behind wildcards.
MAX_TOLD = 500
OTHER = "other"
BreakerState = Literal["closed", "half_open", "open"]
_BADNESS: dict[BreakerState, int] = {"closed": 0, "half_open": 1, "open": 2}


class DeploymentHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment, as one worker or several know it.

    Attributes:
        workers: How many know it.
        in_flight: Calls on their way; ``None`` where nobody counts them.
        calls: Since the workers began.
        failures: Of these.
        breaker: The worst of the workers'.
        rests_s: Seconds until it may be given a call again; the longest of the workers'.
        ejected_s: Seconds for which it gets no calls, since it fails more often than its peers; likewise.
        ttft_s: Seconds to a stream's first token lately, the longest of the workers'; ``None`` where nothing is known.
        tpot_s: Seconds for every further token, likewise.
        whole_s: Seconds for an answer that comes whole, likewise.
        load: How full its server says it is, 0 to 1; what the fullest of the workers' readings says.
        queue: Calls that wait at its server, whoever made them.
        running: Calls that its server answers.
        kv_use: Share of its memory for keys and values in use, 0 to 1.
    """

    provider: str
    model: str
    workers: int = 1
    in_flight: int | None = 0
    calls: int = 0
    failures: int = 0
    breaker: BreakerState = "closed"
    rests_s: float = 0.0
    ejected_s: float = 0.0
    ttft_s: float | None = None
    tpot_s: float | None = None
    whole_s: float | None = None
    load: float | None = None
    queue: float | None = None
    running: float | None = None
    kv_use: float | None = None


def added_up(told: Iterable[Iterable[DeploymentHealth]], most: int = MAX_TOLD) -> list[DeploymentHealth]:
    """Put together what workers tell.

    Args:
        told: Of each worker.
        most: Deployments that are told apart; those with the fewest calls become one by provider, named ``other``.

    Returns:
        By provider and model.
    """
    found: dict[tuple[str, str], DeploymentHealth] = {}
    for worker in told:
        # Two deployments of one worker may have one name: they differ in their address.
        own: dict[tuple[str, str], DeploymentHealth] = {}
        for each in worker:
            _put(own, each, 0)
        for each in own.values():
            _put(found, each, each.workers)
    busiest = sorted(found.values(), key=lambda each: each.calls, reverse=True)
    kept = {(each.provider, each.model): each for each in busiest[:most]}
    for each in busiest[most:]:
        _put(kept, msgspec.structs.replace(each, model=OTHER), 0)
    return [kept[key] for key in sorted(kept)]


def worst(states: Sequence[BreakerState]) -> BreakerState:
    """Give the state of several breakers that lets the fewest calls through."""
    return max(states, key=_BADNESS.__getitem__)


def _put(into: dict[tuple[str, str], DeploymentHealth], one: DeploymentHealth, workers: int) -> None:
    key = one.provider, one.model
    known = into.get(key)
    if known is None:
        into[key] = one
        return
    into[key] = msgspec.structs.replace(
        known,
        workers=known.workers + workers if workers else max(known.workers, one.workers),
        in_flight=_together(known.in_flight, one.in_flight),
        calls=known.calls + one.calls,
        failures=known.failures + one.failures,
        breaker=worst((known.breaker, one.breaker)),
        rests_s=max(known.rests_s, one.rests_s),
        ejected_s=max(known.ejected_s, one.ejected_s),
        ttft_s=_longest(known.ttft_s, one.ttft_s),
        tpot_s=_longest(known.tpot_s, one.tpot_s),
        whole_s=_longest(known.whole_s, one.whole_s),
        load=_most(known.load, one.load),
        queue=_most(known.queue, one.queue),
        running=_most(known.running, one.running),
        kv_use=_most(known.kv_use, one.kv_use),
    )


def _together(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)


def _longest(one: float | None, other: float | None) -> float | None:
    return max(one or 0.0, other or 0.0) or None


def _most(one: float | None, other: float | None) -> float | None:
    """Of two figures of one server, the larger: an idle one says 0, which is knowledge."""
    return other if one is None else one if other is None else max(one, other)
