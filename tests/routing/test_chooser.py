"""Who gets a call: each strategy's promise, and who is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Overloaded
from gateway.core.exchange import Deployment, RoutePlan, RoutePolicy, Strategy
from gateway.core.server_load import LoadReading, LoadSource
from gateway.routing.affinity import BOUND, FEW
from gateway.routing.chooser import NOBODY, Asked, Chooser
from gateway.routing.health import Healths


def chooser(
    strategy: Strategy = "weighted", names: str = "abc", *, main: int = 0, weights: tuple[int, ...] = (), **more: Any
) -> Chooser:
    candidates = tuple(
        Deployment(
            provider=name,
            kind="openai",
            model="m",
            base_url=f"http://{name}",
            credential=b"",
            max_concurrency=more.get("max_concurrency", 0),
        )
        for name in names
    )
    plan = RoutePlan(
        alias="m",
        candidates=candidates,
        weights=weights,
        main=main or len(names),
        policy=RoutePolicy(strategy=strategy),
    )
    return Chooser(plan, Healths(lambda: 0.0), Random(7), more.get("prices"))


def picks(made: Chooser, asked: Asked = NOBODY, number: int = 1000, now_s: float = 0.0) -> Counter[int | None]:
    return Counter(made.pick(asked, now_s) for _ in range(number))


def test_weights_are_kept_exactly_and_without_bursts():
    made = chooser(weights=(5, 1, 1))
    order = [made.pick(NOBODY, 0.0) for _ in range(7)]
    assert order == [0, 0, 1, 0, 2, 0, 0]
    assert picks(made, number=7000) == {0: 5000, 1: 1000, 2: 1000}


@given(st.lists(st.integers(1, 20), min_size=2, max_size=8))
def test_shares_come_out_over_every_round(weights: list[int]):
    made = chooser(names="abcdefgh"[: len(weights)], weights=tuple(weights))
    assert picks(made, number=sum(weights)) == dict(enumerate(weights))


def test_round_robin_knows_no_weights():
    assert picks(chooser("round_robin", weights=(9, 1, 1)), number=900) == {0: 300, 1: 300, 2: 300}


def test_least_busy():
    made = chooser("least_busy")
    for index, busy in enumerate((3, 1, 2)):
        made.healths[index].in_flight = busy
    assert picks(made) == {1: 1000}


def told(strategy: Strategy, **readings: LoadReading) -> tuple[Chooser, Healths]:
    """A chooser over servers that say how busy they are, those that are named."""
    healths = Healths(lambda: 0.0)
    healths.watch({name: LoadSource(kind="vllm", url=f"http://{name}/metrics") for name in readings})
    plan = chooser(strategy).plan
    made = Chooser(plan, healths, Random(7))
    for name, reading in readings.items():
        healths.said(name, reading)
    return made, healths


def busy(calls: float, full: float = 0.0) -> LoadReading:
    return LoadReading(queue=0.0, running=calls, kv_use=full)


def test_least_busy_knows_the_calls_of_others_and_how_full_a_server_is():
    made, _ = told("least_busy", a=busy(9), b=busy(2), c=busy(5))
    assert picks(made) == {1: 1000}
    made, _ = told("least_busy", a=busy(1, 0.5), b=busy(1, 0.9), c=busy(1, 0.1))
    assert picks(made) == {2: 1000}
    # Our own calls are no others': nobody is counted twice.
    made, healths = told("least_busy", a=busy(3), b=busy(9), c=busy(9))
    made.healths[2].in_flight = 2
    healths.said("c", busy(2))
    assert picks(made) == {2: 1000}


def test_who_is_not_asked_counts_by_our_own_calls_alone():
    made, _ = told("least_busy", a=busy(3), b=busy(0))
    made.healths[2].in_flight = 1
    assert picks(made) == {1: 1000}
    made.healths[1].in_flight = 2
    assert picks(made) == {2: 1000}


def test_a_server_that_has_fallen_silent_is_taken_for_one_like_the_others():
    made, healths = told("least_busy", a=busy(0), b=busy(4), c=busy(6))
    assert picks(made) == {0: 1000}
    healths.now_s = lambda: 1000.0
    healths.said("b", busy(4))
    healths.said("c", busy(6))
    # Long ago it had no calls: it is neither better nor worse than the mean now.
    assert picks(made, now_s=1000.0) == {1: 1000}
    # When all are silent, nothing is known but our own calls.
    assert set(picks(made, now_s=5000.0)) == {0, 1, 2}


def test_the_quicker_of_two_is_not_the_one_that_others_keep_busy():
    made, _ = told("lowest_ttft", a=busy(9), b=busy(0), c=busy(9))
    for health in made.healths:
        health.ttft.note(0.2, 0.0)
    chosen = picks(made, Asked(stream=True))
    assert chosen[1] > 600


def test_affinity_leaves_full_servers_alone_unless_all_are():
    key = Asked(session="s")
    made, healths = told("session_affinity", a=busy(0), b=busy(0), c=busy(0))
    (home,) = picks(made, key, 10)
    assert home is not None
    healths.said("abc"[home], LoadReading(queue=20.0, running=1.0))
    assert home not in picks(made, key, 10)
    for name in "abc":
        healths.said(name, LoadReading(queue=20.0, running=1.0))
    assert set(picks(made, key, 10)) == {home}


@given(st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 1)), min_size=3, max_size=3), st.floats(0, 60), st.data())
def test_somebody_is_always_chosen_whatever_servers_say(
    said: list[tuple[float, float]], now_s: float, data: st.DataObject
):
    strategies: list[Strategy] = ["least_busy", "lowest_ttft", "lowest_tpot", "session_affinity"]
    strategy = data.draw(st.sampled_from(strategies))
    readings = {name: LoadReading(queue=queue, kv_use=use) for name, (queue, use) in zip("abc", said, strict=True)}
    made, _ = told(strategy, **readings)
    for health in made.healths:
        health.in_flight = data.draw(st.integers(0, 50))
    assert made.pick(Asked(session="s", stream=True), now_s) in {0, 1, 2}


def test_the_quicker_of_two_is_taken_and_streams_and_whole_answers_are_told_apart():
    made = chooser("lowest_ttft", names="ab")
    made.healths[0].ttft.note(1.0, 0.0)
    made.healths[1].ttft.note(0.1, 0.0)
    made.healths[0].whole.note(1.0, 0.0)
    made.healths[1].whole.note(3.0, 0.0)
    assert picks(made, Asked(stream=True)) == {1: 1000}
    assert picks(made) == {0: 1000}
    made = chooser("lowest_tpot", names="ab")
    made.healths[0].tpot.note(0.01, 0.0)
    made.healths[1].tpot.note(0.02, 0.0)
    assert picks(made, Asked(stream=True)) == {0: 1000}


def test_the_quicker_one_is_not_buried_under_calls():
    made = chooser("lowest_ttft", names="ab")
    made.healths[0].whole.note(0.3, 0.0)
    made.healths[1].whole.note(0.1, 0.0)
    made.healths[1].in_flight = 4
    assert picks(made) == {0: 1000}


def test_the_cheapest_is_taken_and_one_without_a_price_last():
    prices = {"a": None, "b": 500, "c": 100}
    made = chooser("lowest_cost", prices=lambda deployment, _model: prices[deployment.provider])
    assert picks(made) == {2: 1000}
    made.healths[2].breaker.fail(0.0)
    for _ in range(3):
        made.healths[2].breaker.fail(0.0)
    assert picks(made) == {1: 1000}


def test_the_same_prefix_goes_to_the_same_deployment_and_all_get_their_share():
    made = chooser("prefix_affinity", names="abcd")
    homes = {}
    for number in range(2000):
        key = f"prompt-{number}".encode()
        homes[key] = made.pick(Asked(prefix=lambda key=key: key), 0.0)
        assert made.pick(Asked(prefix=lambda key=key: key), 0.0) == homes[key]
    assert all(400 < count < 600 for count in Counter(homes.values()).values())
    # When one goes, only its own keys move.
    for _ in range(3):
        made.healths[3].breaker.fail(0.0)
    moved = {key: made.pick(Asked(prefix=lambda key=key: key), 0.0) for key in homes}
    assert all(moved[key] == home for key, home in homes.items() if home != 3)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_affinity_gives_keys_out_by_weight(weights: list[int]):
    made = chooser("session_affinity", names="abcdef"[: len(weights)], weights=tuple(weights))
    given_ = Counter(made.pick(Asked(session=f"s-{number}"), 0.0) for number in range(1500))
    for place, weight in enumerate(weights):
        assert abs(given_[place] / 1500 - weight / sum(weights)) < 0.06


def test_a_heavier_deployment_may_have_more_calls_under_way():
    made = chooser("session_affinity", names="ab", weights=(3, 1))
    sessions = [Asked(session=f"s-{number}") for number in range(200)]
    made.healths[0].in_flight, made.healths[1].in_flight = 30, 10
    assert {made.pick(asked, 0.0) for asked in sessions} == {0, 1}
    made.healths[0].in_flight, made.healths[1].in_flight = 20, 20
    assert {made.pick(asked, 0.0) for asked in sessions} == {0}


def test_conditions_bar_and_arms_spare():
    made = chooser(names="abcd", main=3)
    assert set(picks(made, Asked(barred=frozenset({0})))) == {1, 2}
    assert set(picks(made, Asked(spared=frozenset({0, 1})))) == {2}
    # When no deployment of its arm can have it, the others step in, before what steps in for all.
    assert set(picks(made, Asked(spared=frozenset({0, 1}), barred=frozenset({2})))) == {0, 1}
    assert made.pick(Asked(barred=frozenset({0, 1, 2})), 0.0) == 3
    assert made.pick(Asked(barred=frozenset(range(4))), 0.0) is None
    assert made.aim(Asked(barred=frozenset(range(4))), 0.0) is None


def test_who_is_for_others_is_no_last_resort():
    made = chooser(names="ab")
    for health in made.healths:
        for _ in range(3):
            health.breaker.fail(0.0)
    assert made.pick(Asked(barred=frozenset({0})), 0.1) == 1


def test_rules_take_the_first_that_is_left():
    made = chooser("when-rules", weights=(1, 9, 9))
    assert picks(made) == {0: 1000}
    assert picks(made, Asked(barred=frozenset({0}))) == {1: 1000}
    assert made.pick(NOBODY, 0.0, [0, 1]) == 2


def test_a_deployment_that_has_more_than_its_share_is_spared():
    made = chooser("session_affinity", names="abcd")
    asked = Asked(session="s-1")
    home = made.pick(asked, 0.0)
    assert home is not None
    for health in made.healths:
        health.in_flight = 4
    made.healths[home].in_flight = 12
    assert made.pick(asked, 0.0) != home
    made.healths[home].in_flight = 4
    assert made.pick(asked, 0.0) == home


def test_few_calls_under_way_spare_nobody():
    made = chooser("session_affinity", names="abcd")
    asked = Asked(session="s-1")
    home = made.pick(asked, 0.0)
    assert home is not None
    made.healths[home].in_flight = FEW - 1
    assert made.pick(asked, 0.0) == home
    made.healths[home].in_flight = FEW
    assert made.pick(asked, 0.0) != home


def test_one_key_alone_is_shared_out_in_the_long_run():
    for names in ("ab", "abcd", "abcdefgh"):
        made = chooser("session_affinity", names=names)
        given = picks(made, Asked(session="s-1"), 20_000)
        assert max(given.values()) * len(names) <= BOUND * 20_000


@given(st.lists(st.integers(0, 40), min_size=2, max_size=8), st.integers(0, 3000))
def test_affinity_never_takes_one_that_has_more_than_its_share(busy: list[int], before: int):
    made = chooser("session_affinity", names="abcdefgh"[: len(busy)])
    asked = Asked(session="s-1")
    for _ in range(before):
        made.pick(asked, 0.0)
    for health, each in zip(made.healths, busy, strict=True):
        health.in_flight = each
    chosen = made.pick(asked, 0.0)
    assert chosen is not None
    assert busy[chosen] + 1 <= max(FEW, BOUND * (sum(busy) + 1) / len(busy))


def test_every_pair_is_picked_alike():
    made = chooser("lowest_ttft", names="abcd")
    for index, health in enumerate(made.healths):
        health.whole.note(1.0 + index, 0.0)
    # The slowest is never the quicker of two; the others are in half, a third and a sixth of the pairs.
    given = picks(made, number=6000)
    assert 3 not in given
    assert [round(given[each] / 1000) for each in range(3)] == [3, 2, 1]


def test_without_a_key_affinity_is_least_busy():
    made = chooser("session_affinity", names="ab")
    made.healths[0].in_flight = 1
    assert picks(made) == {1: 1000}


def test_fallbacks_step_in_when_no_other_can():
    made = chooser(names="abc", main=2)
    assert set(picks(made)) == {0, 1}
    assert made.pick(NOBODY, 0.0, [0]) == 1
    assert made.pick(NOBODY, 0.0, [0, 1]) == 2
    assert made.pick(NOBODY, 0.0, [0, 1, 2]) is None


def test_where_all_fail_the_one_that_opens_first_is_asked():
    made = chooser(names="ab")
    for index, at_s in ((0, 1.0), (1, 0.5)):
        for _ in range(3):
            made.healths[index].breaker.fail(at_s)
    assert made.pick(NOBODY, 1.0) == 1
    assert made.why_not(0, 1.0) == "breaker open"


def test_where_all_ask_for_rest_a_call_is_turned_away_with_the_time():
    made = chooser(names="ab")
    for index, rest_s in ((0, 9.0), (1, 4.0)):
        made.healths[index].begin(0.0)
        made.healths[index].fail(0.0, "429", rest_s, 0.1)
    with pytest.raises(Overloaded) as refused:
        made.pick(NOBODY, 1.0)
    assert refused.value.retry_after_s == 3.0
    # One that is on its way already is not turned away by us: it keeps the provider's own answer.
    assert made.pick(NOBODY, 1.0, [0]) is None
    assert "rests for 8.0 s" in made.why_not(0, 1.0)


def test_who_is_full_is_spared():
    made = chooser(names="ab", max_concurrency=2)
    made.healths[0].in_flight = 2
    assert picks(made) == {1: 1000}
    assert made.why_not(0, 0.0) == "full"
    made.healths[1].in_flight = 2
    with pytest.raises(Overloaded):
        made.pick(NOBODY, 0.0)


def test_who_fails_more_often_than_the_others_is_asked_after_those_that_step_in():
    made = chooser("round_robin", names="abc", main=2)
    for turn in range(400):
        made.note(turn % 2, turn * 0.01, bad=turn % 6 == 0)
    assert picks(made, number=10, now_s=4.0) == {1: 10}
    assert made.why_not(0, 4.0).startswith("fails more often than the others: left alone for 2")
    assert made.healths[0].told("a", "m", 4.0).ejected_s > 20
    assert made.pick(NOBODY, 4.0, [1]) == 2
    assert made.pick(NOBODY, 4.0, [1, 2]) == 0
    until_s = made.outliers.out(4.0)[0]
    assert picks(made, number=10, now_s=until_s) == {0: 5, 1: 5}


class Never:
    """A timer that nobody waits for."""

    def cancel(self) -> None:
        pass


def later(_seconds: float, _what: Callable[[], None]) -> Never:
    return Never()


def _queued(names: str, **more: Any) -> Chooser:
    made = chooser(names=names, max_concurrency=1, main=more.get("main", 0))
    return Chooser(made.plan, Healths(lambda: 0.0), Random(7), None, later)


def test_a_call_that_can_wait_aims_at_one_that_is_full():
    made = _queued("abc", main=2)
    assert made.queue is not None
    for place in (0, 1, 2):
        assert made.aim(NOBODY, 0.0) in {0, 1} if place < 2 else made.aim(NOBODY, 0.0) == 2
        made.healths[place].begin(0.0)
    # Candidates before those that step in; who has been there already does not go there again.
    assert made.aim(NOBODY, 0.0) == 0
    assert made.aim(NOBODY, 0.0, [0]) == 1
    assert made.aim(NOBODY, 0.0, [0, 1, 2]) is None
    # Nobody waits for who rests.
    for health in made.healths:
        health.fail(0.0, "429", 30.0, 0.1)
    with pytest.raises(Overloaded) as refused:
        made.aim(NOBODY, 0.0)
    assert refused.value.retry_after_s == 30.0


def test_without_a_limit_there_is_no_queue():
    made = chooser(names="ab")
    assert made.queue is None
    assert Chooser(made.plan, Healths(lambda: 0.0), Random(7), None, later).queue is None
