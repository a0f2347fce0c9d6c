"""Who goes on with a stream that was cut, as a trip chooses it."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from gateway.core.exchange import ContinueRule, RoutePlan, RoutePolicy
from gateway.onward import Onward
from gateway.routing.chooser import Asked, Chooser
from gateway.routing.health import Healths
from gateway.trip import Trip
from tests.support.rooms import PROVIDER

OTHER = msgspec.structs.replace(PROVIDER, provider="q")


def trip_of(times: int, *, to: int = 2) -> Trip:
    plan = RoutePlan(
        alias="m",
        candidates=(PROVIDER, OTHER)[:to],
        main=to,
        policy=RoutePolicy(continues=ContinueRule(times=times, by="prefill")),
    )
    trip = Trip(Chooser(plan, Healths(lambda: 0.0), Random(1)), Asked(stream=True), Random(1))
    assert trip.take()
    trip.begin()
    return trip


def test_somebody_else_goes_on_and_no_more_often_than_allowed():
    trip = trip_of(1)
    first = trip.place
    assert trip.carry_on()
    assert trip.place != first
    trip.leave()
    trip.resume()
    assert (trip.kind, trip.number) == ("continue", 2)
    assert not trip.carry_on()


def test_who_had_it_goes_on_where_there_is_nobody_else():
    trip = trip_of(2, to=1)
    trip.leave()
    assert trip.carry_on()
    assert trip.place == 0


def test_who_is_passed_over_does_not_count_and_is_not_chosen_again():
    trip = trip_of(1)
    first = trip.place
    trip.leave()
    assert trip.carry_on()
    trip.pass_over()
    assert trip.continues == 1
    assert trip.carry_on()
    assert trip.place == first
    trip.pass_over()
    assert not trip.carry_on()


def test_the_rule_and_the_causes_are_the_policys():
    trip = trip_of(1)
    assert trip.continue_rule == ContinueRule(times=1, by="prefill")
    assert trip.tries_again("connect")
    assert Onward(None).continue_rule == ContinueRule()
    with pytest.raises(NotImplementedError):
        Onward(None).begin()
