"""Who of an alias' candidates may have a request at all: by dialect, conditions, size, and its caller's arm.

What else a deployment cannot carry shows when the request is written for it, which is before it is sent.
"""

from __future__ import annotations

from random import Random

import msgspec

from gateway.core.errors import GatewayError, UnsupportedField
from gateway.core.exchange import Deployment, RoutePlan
from gateway.core.route_rules import Split
from gateway.routing.split import arm_of
from gateway.routing.when import Conditions, Facts
from gateway.wire.bridge import bridge_to

_NOBODY: frozenset[int] = frozenset()


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is fit for.

    Attributes:
        barred: Places that it cannot go to.
        whys: Why, by place, where its own condition says so, or the request is too long for it.
        spared: Places of other arms; they step in only when its own arm's cannot.
        split: The split that it is in, else empty.
        arm: Its arm, else empty.
        error: What to tell a client whom nobody can serve.
    """

    barred: frozenset[int] = _NOBODY
    whys: dict[int, str] = {}
    spared: frozenset[int] = _NOBODY
    split: str = ""
    arm: str = ""
    error: GatewayError | None = None


ANYWHERE = Fit()


class Fitness:
    """What the candidates of an alias ask of a request.

    Args:
        plan: The candidates.

    Attributes:
        asks: They ask anything at all.
        asks_verdict: They ask what rules made of the request.
        window: The smallest context window that is known among them; 0 where none is.
    """

    __slots__ = (
        "_arms",
        "_candidates",
        "_closed",
        "_conditions",
        "_split",
        "_windows",
        "asks",
        "asks_verdict",
        "window",
    )

    def __init__(self, plan: RoutePlan) -> None:
        self._candidates = plan.candidates
        # By the client's dialect, of which there are few: to whom there is no way.
        self._closed: dict[str, frozenset[int]] = {}
        self._conditions = Conditions(plan.whens)
        self._windows = {
            place: each.context_window for place, each in enumerate(plan.candidates) if each.context_window
        }
        self.window = min(self._windows.values(), default=0)
        self._split = split = None if plan.policy is None else plan.policy.split
        self._arms = {} if split is None else _others(split, plan.arms)
        self.asks_verdict = self._conditions.asks_verdict
        self.asks = split is not None or bool(plan.whens)

    def closed(self, dialect: str) -> frozenset[int]:
        """Give the places that calls in a dialect cannot go to at all, whatever is in them."""
        known = self._closed.get(dialect)
        if known is None:
            ways = ((place, _no_way(dialect, each)) for place, each in enumerate(self._candidates))
            known = self._closed[dialect] = frozenset(place for place, error in ways if error is not None)
        return known

    def first(self, dialect: str) -> int:
        """Give the first place that calls in a dialect can go to; the first of all where there is none."""
        closed = self.closed(dialect)
        return next((place for place in range(len(self._candidates)) if place not in closed), 0)

    def of(self, facts: Facts, random: Random, arm: str = "") -> Fit:
        """Find out where a request may go.

        Args:
            facts: The request.
            random: Draws the arm of a call that names nobody.
            arm: The arm that it has already.
        """
        whys, closed = self._conditions.unmet(facts), self.closed(facts.dialect)
        split = self._split
        if split is not None and not arm:
            arm = arm_of(split, getattr(facts, split.sticky_by), random)
        error: GatewayError | None = None
        barred = closed.union(whys) if whys else closed
        if len(closed) == len(self._candidates):
            error = _no_way(facts.dialect, self._candidates[0])
        elif len(barred) == len(self._candidates):
            asked = ", ".join(dict.fromkeys(", ".join(whys.values()).split(", ")))
            error = UnsupportedField(
                f"No deployment of this model is for a request like this one: {asked}.", param="model"
            )
        if error is None and self.window and facts.most_tokens > self.window:
            short = self._too_short(facts.tokens_needed, barred)
            whys, barred = whys | short, barred.union(short)
        return Fit(
            barred=barred,
            whys=whys,
            spared=self._arms.get(arm, _NOBODY),
            split="" if split is None else split.name,
            arm=arm,
            error=error,
        )

    def _too_short(self, needed: int, barred: frozenset[int]) -> dict[int, str]:
        """Say whose context window is too small, of those that are left.

        Sizes are estimated: where it is too long for all, those with the largest window are asked after all, who know.
        """
        left = [place for place in range(len(self._candidates)) if place not in barred]
        windows = [self._windows.get(place, needed) for place in left]
        enough = min(needed, max(windows, default=0))
        return {
            place: f"too long: some {needed} tokens with the answer, {window} of context"
            for place, window in zip(left, windows, strict=True)
            if window < enough
        }


def _no_way(dialect: str, deployment: Deployment) -> UnsupportedField | None:
    try:
        bridge_to(dialect, deployment)
    except UnsupportedField as error:
        return error
    return None


def _others(split: Split, arms: tuple[str, ...]) -> dict[str, frozenset[int]]:
    """For each arm the places of the others."""
    return {name: frozenset(place for place, arm in enumerate(arms) if arm and arm != name) for name, _ in split.arms}
