"""What asking two at once is for, held in a short simulation: the same calls, the same chance, the same figures."""

from __future__ import annotations

import pytest

from loadtests.fleet import quantile
from loadtests.hedges import RULES, SCENES, Outcome, main, run

CALLS = 3000


def p99_s(made: Outcome) -> float:
    return quantile(made.first_s, 0.99)


@pytest.mark.parametrize("rule", ["after p95, 10%", "after p90, 10%", "after 800ms, 10%"])
def test_calls_that_are_late_now_and_then_are_three_times_sooner_at_the_99th_percentile(rule: str):
    off, on = run("all", "off", CALLS), run("all", rule, CALLS)
    assert 3.0 * p99_s(on) <= p99_s(off)
    # What is in the middle is as it was.
    assert quantile(on.first_s, 0.5) <= 1.02 * quantile(off.first_s, 0.5)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("rule", [each for each in RULES if each != "off"])
def test_it_costs_no_more_than_it_may(scene: str, rule: str):
    made, spec = run(scene, rule, CALLS), RULES[rule]
    assert spec is not None
    assert 0 < made.lost <= spec.max_extra_cost * made.dollars
    assert len(made.first_s) == CALLS


def test_the_same_seed_gives_the_same_figures():
    assert run("one", "after p90, 10%", 300) == run("one", "after p90, 10%", 300)
    assert run("one", "after p90, 10%", 300, 2) != run("one", "after p90, 10%", 300)


def test_the_command_prints_all_tables(capsys: pytest.CaptureFixture[str]):
    main(100)
    printed = capsys.readouterr().out
    for rule in RULES:
        assert printed.count(f"| {rule} |") == len(SCENES)
