from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.deployment_health import OTHER, DeploymentHealth, added_up

HEALTHS = st.builds(
    DeploymentHealth,
    provider=st.sampled_from("pq"),
    model=st.sampled_from("abc"),
    in_flight=st.integers(0, 9),
    calls=st.integers(0, 99),
    failures=st.integers(0, 9),
    breaker=st.sampled_from(["closed", "half_open", "open"]),
    rests_s=st.floats(0, 60),
    ttft_s=st.none() | st.floats(0.001, 9),
)


def one(model: str = "m", **changes: Any) -> DeploymentHealth:
    return DeploymentHealth(provider="p", model=model, **changes)


def test_counts_are_sums_and_the_worst_is_shown() -> None:
    first = one(in_flight=2, calls=10, failures=1, breaker="half_open", rests_s=1.0, ttft_s=0.2)
    second = one(in_flight=1, calls=5, failures=5, breaker="open", rests_s=0.5, whole_s=3.0)
    assert added_up([[first], [second], [one(breaker="closed")]]) == [
        one(workers=3, in_flight=3, calls=15, failures=6, breaker="open", rests_s=1.0, ttft_s=0.2, whole_s=3.0)
    ]


def test_of_what_workers_read_of_one_server_the_most_is_shown() -> None:
    first = one(load=0.0, queue=0.0, running=3.0)
    second = one(load=0.5, kv_use=0.5)
    (told,) = added_up([[first], [second], [one()]])
    assert (told.load, told.queue, told.running, told.kv_use) == (0.5, 0.0, 3.0, 0.5)


def test_two_addresses_of_one_worker_are_one_deployment_of_one_worker() -> None:
    assert added_up([[one(calls=1), one(calls=2)]]) == [one(calls=3)]
    assert added_up([[one(calls=1), one(calls=2)], [one()]]) == [one(workers=2, calls=3)]


def test_the_least_busy_of_many_become_one() -> None:
    told = added_up([[one(str(number), calls=number, in_flight=1) for number in range(10)]], most=3)
    assert [(each.model, each.calls, each.in_flight) for each in told] == [
        ("7", 7, 1), ("8", 8, 1), ("9", 9, 1), (OTHER, 21, 7),
    ]  # fmt: skip


@given(st.lists(st.lists(HEALTHS, max_size=6), max_size=4), st.integers(1, 8))
def test_no_call_is_lost_and_no_name_comes_twice(told: list[list[DeploymentHealth]], most: int) -> None:
    found = added_up(told, most)
    for name in ("in_flight", "calls", "failures"):
        assert sum(getattr(each, name) for each in found) == sum(getattr(each, name) for one in told for each in one)
    assert len({(each.provider, each.model) for each in found}) == len(found) <= most + 2
    assert max((each.rests_s for each in found), default=0) == max((e.rests_s for one in told for e in one), default=0)
    assert {each.breaker for each in found} <= {each.breaker for one in told for each in one}


def test_calls_under_way_are_added_where_somebody_counts_them():
    one, other = (DeploymentHealth(provider="p", model="m", in_flight=each) for each in (None, 2))
    assert [each.in_flight for each in added_up([[one], [other], [one]])] == [2]
    assert [each.in_flight for each in added_up([[one], [one]])] == [None]
