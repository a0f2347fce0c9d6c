"""Affinity's arithmetic: what is added up as it goes is what it would be if it were added up anew."""

from __future__ import annotations

from math import isclose
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.exchange import BreakerRule, Deployment, RoutePlan
from gateway.core.server_load import LoadReading
from gateway.routing.affinity import BOUND_LATELY, LATELY, Affinity
from gateway.routing.health import Health
from gateway.routing.server_load import TOO_FULL, Fleet, ServerLoad


def affinity(weights: list[int], fleet: Fleet) -> tuple[Affinity, list[Health]]:
    candidates = tuple(
        Deployment(provider=f"p{at}", kind="openai", model="m", base_url="http://p", credential=b"")
        for at in range(len(weights))
    )
    healths = [Health(BreakerRule()) for _ in weights]
    return Affinity(RoutePlan(alias="m", candidates=candidates), weights, healths, fleet), healths


@settings(max_examples=15)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 99))
def test_nobody_is_given_much_more_than_its_share_lately(weights: list[int], seed: int):
    made, _ = affinity(weights, Fleet([None] * len(weights)))
    free, random = list(range(len(weights))), Random(seed)
    shares = [weight * len(weights) / sum(weights) for weight in weights]
    # Long enough that what came before is halved at least once.
    for _ in range(LATELY * len(weights) + 10):
        some = sorted(random.sample(free, random.choice((2, len(free), len(free)))))
        had, heavy = made._given, sum(shares[each] for each in some)
        most = BOUND_LATELY * sum(had[each] * shares[each] for each in some) / heavy
        before = list(had)
        chosen = made.pick(some, b"one key for all", 0.0)
        assert chosen in some
        assert before[chosen] <= most + 1e-6
        assert isclose(made._lately, sum(each * share for each, share in zip(made._given, shares, strict=True)))


def test_a_full_server_is_left_alone_unless_all_are():
    servers = [ServerLoad(1.0), ServerLoad(1.0)]
    made, _ = affinity([1, 1], Fleet(servers))
    servers[0].note(LoadReading(kv_use=TOO_FULL), 0, 0.0)
    servers[1].note(LoadReading(kv_use=TOO_FULL - 0.1), 0, 0.0)
    keys = [f"key {number}".encode() for number in range(50)]
    assert {made.pick([0, 1], key, 0.0) for key in keys} == {1}
    servers[1].note(LoadReading(kv_use=TOO_FULL), 0, 0.0)
    assert {made.pick([0, 1], key, 0.0) for key in keys} == {0, 1}


def test_calls_of_others_at_a_server_are_load():
    servers = [ServerLoad(1.0), ServerLoad(1.0)]
    made, _ = affinity([1, 1], Fleet(servers))
    for at, running in enumerate((40.0, 2.0)):
        servers[at].note(LoadReading(running=running), 0, 0.0)
    assert {made.pick([0, 1], f"key {number}".encode(), 0.0) for number in range(50)} == {1}
