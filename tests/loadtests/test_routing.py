"""The targets of routing, held in a short simulation: the same calls, the same chance, the same figures every time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.core.exchange import Strategy
from gateway.trip import Trip
from loadtests.routing import ALIASES, SCENES, STRATEGIES, cost_us, main, perfect_hits, planner, quantile, run

CALLS = 4000
# Calls of functions, Python's and its own, that a plan with eight candidates may make.
MOST_CALLS = 40


def p99_s(scene: str, strategy: Strategy) -> float:
    return quantile(run(SCENES[scene], strategy, CALLS).whole_s, 0.99)


@pytest.mark.parametrize("scene", ["slow", "tight"])
@pytest.mark.parametrize("strategy", ["lowest_ttft", "lowest_tpot"])
def test_the_quicker_of_two_halves_the_tail_when_one_of_four_slows(strategy: Strategy, scene: str):
    assert 2.0 * p99_s(scene, strategy) <= p99_s(scene, "round_robin")


def test_affinity_leaves_one_alone_that_drowns():
    assert 3.0 * p99_s("tight", "prefix_affinity") <= p99_s("tight", "round_robin")


@pytest.mark.parametrize("scene", ["prefixes", "quiet"])
@pytest.mark.parametrize("seed", [1, 2])
def test_affinity_finds_what_is_warm_and_keeps_loads_even(scene: str, seed: int):
    perfect = perfect_hits(SCENES[scene], CALLS, seed)
    made = run(SCENES[scene], "prefix_affinity", CALLS, seed)
    assert made.hits >= 0.9 * perfect
    assert made.imbalance() <= 1.25
    # Else the target would say nothing.
    assert run(SCENES[scene], "random", CALLS, seed).hits < 0.8 * perfect


@pytest.mark.parametrize("strategy", ["least_busy", "lowest_ttft", "prefix_affinity"])
def test_servers_that_tell_their_load_are_not_given_what_they_cannot_take(strategy: Strategy):
    alone, told = (run(SCENES[each], strategy, CALLS) for each in ("shared", "told"))
    assert 2.0 * quantile(told.first_s, 0.99) <= quantile(alone.first_s, 0.99)


def test_few_prefixes_are_shared_out_in_the_long_run():
    made = run(replace(SCENES["quiet"], prefixes=3), "prefix_affinity", 3 * CALLS)
    assert made.imbalance() <= 1.25
    assert made.hits > 0.99 * 3 * CALLS


def test_the_cheapest_costs_least_and_what_does_not_fit_goes_elsewhere():
    cheap, usual = (run(SCENES["uneven"], each, CALLS) for each in ("lowest_cost", "round_robin"))
    assert cheap.dollars < 0.8 * usual.dollars
    assert max(cheap.whole_s) < 100.0


def test_the_same_seed_gives_the_same_figures():
    assert run(SCENES["slow"], "lowest_ttft", 300) == run(SCENES["slow"], "lowest_ttft", 300)
    assert run(SCENES["slow"], "lowest_ttft", 300, 2) != run(SCENES["slow"], "lowest_ttft", 300)


def calls_of(plan: Callable[[int], Trip], number: int) -> int:
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        plan(number)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_plan_is_little_work(strategy: Strategy, told: bool):
    plan, _ = planner(strategy, lambda: 1.0, told=told)
    for number in range(ALIASES):
        plan(number)
    assert max(calls_of(plan, number) for number in range(200)) <= MOST_CALLS


def test_the_command_prints_all_tables(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("loadtests.routing.cost_us", lambda strategy, told=False: cost_us(strategy, 50, 1, told=told))
    main(200)
    printed = capsys.readouterr().out
    for strategy in STRATEGIES:
        assert printed.count(f"| `{strategy}` |") == len(SCENES) + 1
