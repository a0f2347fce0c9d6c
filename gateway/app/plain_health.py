"""How deployments fare that are their aliases' only ones: read from what is counted of every call anyway.

Their calls take the shortest way, on which nobody counts for a health. Once a second is soon enough for who watches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.core.deployment_health import DeploymentHealth
from gateway.core.errors import GatewayError
from gateway.core.exchange import Deployment
from gateway.recording.metrics import (
    DURATION_SUM,
    EXCHANGES,
    OTHER,
    TTFT_AT,
    TTFT_SUM,
    CellKey,
    Number,
)
from gateway.routing.ewma import PeakAverage
from gateway.routing.table import Router

# What our own error codes begin with where the provider is to blame.
_UPSTREAM = "upstream_"
_CAPACITY = 429


class _Fares:
    """What has been seen of one deployment."""

    __slots__ = ("calls", "failures", "ttft", "whole")

    def __init__(self) -> None:
        self.calls = self.failures = 0
        self.ttft = PeakAverage()
        self.whole = PeakAverage()


class PlainHealth:
    """Looks at a worker's counts again and again; bounded by the number of their cells.

    Args:
        before: The counts at the start, which are a predecessor's.
    """

    def __init__(self, before: Iterable[tuple[CellKey, Sequence[Number]]]) -> None:
        self._seen: dict[CellKey, tuple[Number, ...]] = {key: _sums(counts) for key, counts in before}
        self._fares: dict[tuple[str, str], _Fares] = {}

    def told(
        self, cells: Iterable[tuple[CellKey, Sequence[Number]]], router: Router, now_s: float
    ) -> list[DeploymentHealth]:
        """Say how they fare.

        Args:
            cells: The counts now.
            router: Says which deployment an alias has, and whether it is the only one.
            now_s: Monotonic.
        """
        for key, counts in cells:
            sums, seen = _sums(counts), self._seen.get(key, (0, 0, 0, 0))
            if sums[0] != seen[0]:
                self._seen[key] = sums
                deployment = _only(router, key)
                if deployment is not None:
                    self._note(key, deployment, [new - old for new, old in zip(sums, seen, strict=True)], now_s)
        return [
            DeploymentHealth(
                provider=provider,
                model=model,
                in_flight=None,
                calls=fares.calls,
                failures=fares.failures,
                ttft_s=fares.ttft.read(now_s) or None,
                whole_s=fares.whole.read(now_s) or None,
            )
            for (provider, model), fares in self._fares.items()
        ]

    def _note(self, key: CellKey, deployment: Deployment, more: Sequence[Number], now_s: float) -> None:
        _, provider, model, status, code = key
        fares = self._fares.setdefault((provider, deployment.model or model), _Fares())
        calls, duration_ms, streams, ttft_ms = more
        fares.calls += int(calls)
        if code.startswith(_UPSTREAM) and (status < 400 or status >= 500 or status == _CAPACITY):
            fares.failures += int(calls)
        elif streams:
            fares.ttft.note(ttft_ms / streams / 1000, now_s)
        elif not code:
            fares.whole.note(duration_ms / calls / 1000, now_s)


def _sums(counts: Sequence[Number]) -> tuple[Number, ...]:
    """Calls, how long they took, streams of which a first token was seen, and how long that took."""
    return counts[EXCHANGES], counts[DURATION_SUM], sum(counts[TTFT_AT:]), counts[TTFT_SUM]


def _only(router: Router, key: CellKey) -> Deployment | None:
    """The deployment whose calls these are; ``None`` where they may be of several, or of a provider named in a path."""
    _, provider, model, _, _ = key
    if not model or not provider or model == OTHER:
        return None
    try:
        plan = router.plan(model)
    except GatewayError:
        return None
    deployment = plan.candidates[0]
    return deployment if plan.policy is None and deployment.provider == provider else None
