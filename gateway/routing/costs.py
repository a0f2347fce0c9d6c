"""What a usual call costs at each candidate of an alias: asked for once in a while, not once a call. Reads no clock."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from gateway.core.exchange import Deployment

# What a usual call costs at a deployment, in nano-dollars, for the model that the client named.
Prices = Callable[[Deployment, str], int | None]
# Prices change on a day, or with an hour: whoever believes them for a second is hardly ever wrong.
BELIEVED_S = 1.0
# Clients choose the names behind wildcards.
MAX_MODELS = 256


class Costs:
    """The costs of an alias' candidates.

    Args:
        candidates: The deployments.
        prices: What a usual call costs; without it nobody's cost is known.
    """

    __slots__ = ("_candidates", "_known", "_prices", "_until_s")

    def __init__(self, candidates: tuple[Deployment, ...], prices: Prices | None) -> None:
        self._candidates = candidates
        self._prices = prices
        self._known: dict[str, list[float]] = {}
        self._until_s = 0.0

    def of(self, model: str, now_s: float) -> list[float]:
        """Give what a call costs at each candidate for a model that a client named; unknown is more than any other."""
        known = self._known
        if now_s >= self._until_s or len(known) >= MAX_MODELS:
            known.clear()
            self._until_s = now_s + BELIEVED_S
        costs = known.get(model)
        if costs is None:
            costs = known[model] = [self._cost(each, model) for each in self._candidates]
        return costs

    def _cost(self, deployment: Deployment, model: str) -> float:
        cost = None if self._prices is None else self._prices(deployment, model)
        return inf if cost is None else cost
