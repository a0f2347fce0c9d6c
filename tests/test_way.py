"""A call's second place beside its first: who may be asked, and that no slot is kept."""

from __future__ import annotations

from random import Random

import pytest

from gateway.core.exchange import HedgeRule, RoutePlan, RoutePolicy
from gateway.roads import Roads
from gateway.routing.chooser import Asked
from gateway.routing.health import Healths
from gateway.trip import Trip
from tests.support.duel import OTHER
from tests.support.rooms import PROVIDER


def begun(*, main: int = 2, hedge: HedgeRule | None = None, repeated: bool = False) -> tuple[Trip, Healths]:
    """A call that is on its way to the first of two."""
    healths = Healths(lambda: 0.0)
    policy = RoutePolicy(hedge=hedge or HedgeRule())
    plan = RoutePlan(alias="m", candidates=(PROVIDER, OTHER), weights=(1, 1), main=main, policy=policy)
    trip = Trip(Roads(healths).chooser(plan), Asked(stream=True, repeated=repeated), Random(1))
    assert trip.take()
    trip.begin()
    return trip, healths


def seats(healths: Healths) -> list[int]:
    return [health.in_flight for health in healths.names().values()]


@pytest.mark.parametrize("main", [1, 2])
def test_another_place_beside_the_first_is_given_back_once(main: int):
    trip, healths = begun(main=main)
    other = trip.beside()
    assert other is not None
    other.begin()
    assert (trip.place, trip.number, other.place, other.number, other.kind) == (0, 1, 1, 2, "hedge")
    assert seats(healths) == [1, 1]
    assert trip.beside() is None
    other.outrun(0.5)
    other.outrun(0.5)
    other.leave()
    assert seats(healths) == [1, 0]


def test_a_place_that_was_not_needed_is_free_for_another_try():
    trip, healths = begun()
    other = trip.beside()
    assert other is not None
    other.begin()
    other.withdraw()
    assert seats(healths) == [1, 0]
    assert trip.beside() is not None


def test_who_is_not_well_is_not_asked():
    trip, healths = begun()
    ill = list(healths.names().values())[1]
    for _ in range(3):
        ill.begin(0.0)
        ill.fail(0.0, "5xx", None, 0.1)
    assert trip.beside() is None


def test_late_is_what_is_said_or_what_was_learned():
    assert begun(hedge=HedgeRule(after_s=0.8))[0].hedge_after_s() == 0.8
    assert begun(hedge=HedgeRule(after_s=0.8), repeated=True)[0].hedge_after_s() is None
    trip, _ = begun()
    assert trip.hedge_after_s() is None
    for _ in range(100):
        trip.waited(0.2)
    assert trip.hedge_after_s() == pytest.approx(0.2, rel=0.1)
