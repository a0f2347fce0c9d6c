"""Limits in memory after a restart: which stretches of time they look back on, and how what was used there counts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping

from gateway.accounting.calendars import bounds_ns
from gateway.accounting.limits import Limits
from gateway.core.exchange import Principal
from gateway.core.limit_state import Charge, Quantity
from gateway.core.limits import Budget, LimitRule, Period, period_of
from gateway.core.recorded import Used

# What is counted over less time is over when a gateway is back.
SHORTEST_S = 3600.0
# Into as many parts as a window counts in, so that what comes back leaves it one part later at most.
_PARTS = 20


def periods_of(rules: Iterable[LimitRule], budgets: Iterable[Budget]) -> set[Period]:
    """Give the periods that are long enough to be counted again."""
    found = {each.per for each in budgets}
    for rule in rules:
        found |= {period_of(rate[1]) for rate in (rule.requests, rule.tokens) if rate is not None}
        found |= {each.per for each in (rule.cost, rule.budget) if each is not None}
    return {period for period in found if is_long(period)}


def is_long(period: Period | None) -> bool:
    """Whether what is counted over it is counted again."""
    return period is not None and (bool(period.calendar) or period.seconds >= SHORTEST_S)


def edges_of(periods: Iterable[Period], now_us: int) -> tuple[int, ...]:
    """Cut time so that no stretch spans the beginning of a period; the last edge is the present."""
    edges = {now_us}
    for period in periods:
        if period.calendar:
            edges.add(bounds_ns(period, now_us * 1000)[0] // 1000)
        else:
            edges |= {now_us - int(period.seconds * 1e6 * part / _PARTS) for part in range(1, _PARTS + 2)}
    return tuple(sorted(edges))


class Restorer:
    """Counts again what was used before.

    Args:
        limits: Those in force.
        edges: See :func:`edges_of`.
        budgets: Of keys that have one of their own.
        now_us: The present.
        restore: Counts in one counter; those in memory by default.
    """

    def __init__(
        self,
        limits: Limits,
        edges: tuple[int, ...],
        budgets: Mapping[str, Budget],
        now_us: int,
        restore: Callable[[Charge, int, float], None] | None = None,
    ) -> None:
        self._limits = limits
        self._edges = edges
        self._budgets = budgets
        self._now_us = now_us
        self._restore = restore or limits.state.restore

    def restore(self, used: Used) -> None:
        """Count it in each counter that calls like it draw on."""
        principal = Principal(
            key_id=used.key_id, team=used.team, tenant=used.tenant, budget=self._budgets.get(used.key_id)
        )
        falling = self._limits.falling(principal, (used.model, used.provider), used.labels)
        # As if all of it had been taken when the stretch ended: nothing leaves too soon.
        following = bisect_right(self._edges, used.edge_us)
        ended_us = self._edges[min(following, len(self._edges) - 1)] - 1
        age_s = max(0.0, (self._now_us - ended_us) / 1e6)
        for charge in falling.charges:
            amount = _amount(charge, used)
            if amount and is_long(charge.period):
                self._restore(charge, amount, age_s)


def _amount(charge: Charge, used: Used) -> int:
    if charge.quantity is Quantity.REQUESTS:
        return used.requests
    return used.tokens if charge.quantity is Quantity.TOKENS else used.nanousd
