"""A place for a call at one deployment, and a second one beside it: whose slot it has, how long calls wait there."""

from __future__ import annotations

from copy import copy
from typing import Self

from gateway.routing.chooser import Asked, Chooser
from gateway.routing.hedge_budget import HedgeBudget
from gateway.routing.waits import Waits


class Way:
    """What a :class:`gateway.trip.Trip` knows of the deployment that has its call.

    Attributes:
        place: Who has it now.
        kind: Of the try that goes on now.
    """

    __slots__ = ()
    _asked: Asked
    _chooser: Chooser
    _next_kind: str
    _outrun: list[int]
    _tried: list[int]
    _under_way: bool
    kind: str
    place: int

    def leave(self) -> None:
        """The try is over and says nothing of the deployment; nothing happens where it ended otherwise before."""
        if self._under_way:
            self._under_way = False
            self._chooser.healths[self.place].leave()

    def _sit(self, place: int) -> None:
        chooser = self._chooser
        self.place, self._under_way = place, True
        chooser.healths[place].begin(chooser.now_s())

    # --- a second deployment beside the first

    @property
    def hedges(self) -> HedgeBudget | None:
        """What a second deployment may cost; ``None`` where only one has a call at a time."""
        return self._chooser.hedges

    def hedge_after_s(self) -> float | None:
        """Seconds without a first byte after which a second deployment is asked; ``None`` where that is not known."""
        rule = self._chooser.policy.hedge
        if rule is None or self._asked.repeated:
            return None
        return rule.after_s or self._waits().within_s(rule.quantile)

    def beside(self) -> Self | None:
        """Begin another way of the same call, beside this one; ``None`` where there is nobody else for it."""
        chooser = self._chooser
        place = None if chooser.queue else chooser.free(self._asked, chooser.now_s(), [*self._tried, *_unwell(chooser)])
        if place is None:
            return None
        # Both know who has had the call, so that neither goes there again.
        other = copy(self)
        other.hedge(place)
        return other

    def hedge(self, place: int) -> None:
        """Take a slot at another deployment, beside the way of which this is a copy."""
        self._next_kind = "hedge"
        self._sit(place)

    def withdraw(self) -> None:
        """The slot was not needed: its deployment has not had the call."""
        self.leave()
        if self.kind == "hedge":
            self._tried.remove(self.place)

    def waited(self, wait_s: float) -> None:
        """Note how long the call waited for its first byte."""
        self._waits().note(wait_s)

    def outrun(self, took_s: float) -> None:
        """The try is over, since another deployment was sooner."""
        if self._under_way:
            self._under_way = False
            # Both ways know it, since a copy shares the list.
            self._outrun.append(self.place)
            chooser = self._chooser
            after_s = self.hedge_after_s()
            if after_s is None or took_s >= after_s:
                # Else those who are slow were never heard of, and what counts as slow became less and less.
                self.waited(took_s)
            chooser.healths[self.place].outrun(chooser.now_s(), took_s, stream=self._asked.stream)

    def _waits(self) -> Waits:
        return self._chooser.healths[self.place].first_bytes(stream=self._asked.stream)


def _unwell(chooser: Chooser) -> list[int]:
    """Who is not given a call that another has: who is not well; and fallbacks, but for a single candidate."""
    now_s, main = chooser.now_s(), chooser.plan.main
    out = chooser.outliers.out(now_s)
    return [
        place
        for place, health in enumerate(chooser.healths)
        if place in out or health.breaker.state(now_s) != "closed" or place >= main > 1
    ]
