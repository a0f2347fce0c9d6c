"""One call's way: who has had it, who gets it next, and when; what a try teaches."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from gateway.core.call import Call
from gateway.core.exchange import AnswerFacts, RoutePlan, RoutePolicy
from gateway.routing.chooser import Asked, Chooser
from gateway.routing.health import Healths
from gateway.trip import Trip
from gateway.wire import openai_chat
from tests.support.incoming import incoming
from tests.support.rooms import PROVIDER
from tests.support.sinks import ListReply


def test_the_first_token_is_known_when_it_comes_and_counts_once():
    plan = RoutePlan(alias="m", candidates=(PROVIDER,), policy=RoutePolicy())
    now_ns = [1_000_000_000]
    healths = Healths(lambda: now_ns[0] / 1e9)
    trip = Trip(Chooser(plan, healths, Random(1)), Asked(stream=True), Random(1))
    health = healths.of(PROVIDER, RoutePolicy().breaker)
    assert trip.take()
    trip.begin()
    call = Call(incoming(), ListReply(), None, openai_chat.DIALECT)
    head = trip.learning(now_ns[0], lambda _: b"head")
    now_ns[0] += 2_000_000_000
    assert head(call) == b"head"
    assert health.ttft.read(now_ns[0] / 1e9) == 2.0
    # A minute later the stream ends. What is known of its first token is a minute old then.
    now_ns[0] += 60_000_000_000
    facts = SimpleNamespace(facts=AnswerFacts(chunks=61))
    attempt: Any = SimpleNamespace(
        status=200, headers={}, reader=facts, sent_ns=1_000_000_000, first_ns=3_000_000_000, answered_ns=0,
        ended_ns=now_ns[0],
    )  # fmt: skip
    assert trip.end(attempt, None) is None
    assert health.ttft.read(now_ns[0] / 1e9) < 0.01
    assert health.tpot.read(now_ns[0] / 1e9) == pytest.approx(1.0)


class Late(Random):
    """Chance that makes everybody wait as long as may be."""

    def random(self) -> float:
        return 1.0


def trip_over(count: int, retries: int = 2) -> Trip:
    candidates = tuple(msgspec.structs.replace(PROVIDER, provider=f"p{number}") for number in range(count))
    plan = RoutePlan(
        alias="m", candidates=candidates, weights=(1,) * count, main=count, policy=RoutePolicy(retries=retries)
    )
    chance = Late()
    return Trip(Chooser(plan, Healths(lambda: 0.0), chance), Asked(), chance)


def test_what_a_proxy_repeats_already_gets_one_try() -> None:
    plan = RoutePlan(alias="m", candidates=(PROVIDER, PROVIDER), weights=(1, 1), main=2, policy=RoutePolicy(retries=4))
    trip = Trip(Chooser(plan, Healths(lambda: 0.0), Late()), Asked(repeated=True), Late())
    assert trip.take()
    trip.begin()
    trip.leave()
    assert trip.go_on("5xx", None) is None


def test_others_come_first_and_at_once_then_the_same_after_longer_and_longer() -> None:
    trip = trip_over(2, retries=4)
    places, waits, kinds = [], [], []
    while True:
        assert trip.take()
        trip.begin()
        places.append(trip.place)
        kinds.append(trip.kind)
        trip.leave()
        wait_s = trip.go_on("5xx", None)
        if wait_s is None:
            break
        waits.append(wait_s)
    assert sorted(places[:2]) == [0, 1]
    assert kinds == ["first", "fallback", "retry", "retry", "retry"]
    assert waits == [0.0, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(("wanted_s", "wait_s"), [(None, 0.25), (7.0, 7.0), (0.1, 0.25), (11.0, None)])
def test_the_only_one_is_waited_for_as_it_says_but_not_for_long(wanted_s: float | None, wait_s: float | None) -> None:
    trip = trip_over(1, retries=1)
    assert trip.take()
    trip.begin()
    trip.leave()
    assert trip.go_on("429", wanted_s) == wait_s


def test_one_that_cannot_carry_it_counts_as_no_try() -> None:
    trip = trip_over(2)
    assert trip.take()
    trip.begin()
    first = trip.place
    assert trip.unfit()
    assert trip.take()
    trip.begin()
    assert (trip.number, trip.kind, trip.place != first) == (1, "first", True)
    assert not trip.unfit()
