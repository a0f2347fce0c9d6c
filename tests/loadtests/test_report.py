"""Ratios are taken inside a round, and what was not measured is not made up."""

from __future__ import annotations

from typing import Any

from loadtests import report
from loadtests.report import Cells


def row(target: str, turn: int, *, p50_us: float, cpu_us: float | None, scenario: str = "c64") -> dict[str, Any]:
    series = {"n": 10, "p50": p50_us, "p99": p50_us * 2}
    return {
        "target": target,
        "round": turn,
        "scenario": scenario,
        "requests_per_s": 1e6 / p50_us,
        "latency_us": series,
        "cpu_us": cpu_us,
        "rss_mb": 64.0,
        "bad": 1,
        "broken": 0,
        "incomplete": 2,
    }


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    rows = [row("envoy", turn, p50_us=1000, cpu_us=cpu) for turn, cpu in enumerate([10.0, 100.0, 40.0])]
    rows += [row("ours", turn, p50_us=1000, cpu_us=cpu) for turn, cpu in enumerate([5.0, 300.0, 24.0])]
    assert Cells(rows).ratio("ours", report.plain("cpu_us")) == 0.6


def test_added_latency_is_over_the_direct_way_in_the_same_round() -> None:
    rows = [row("direct", turn, p50_us=us, cpu_us=None) for turn, us in enumerate([100, 900])]
    rows += [row("ours", turn, p50_us=us, cpu_us=50.0) for turn, us in enumerate([300, 1300])]
    cells = Cells(rows)
    assert cells.added("ours", report.ms("latency_us", "p50")) == 0.3
    assert cells.added("direct", report.ms("latency_us", "p50")) is None


def test_a_table_shows_a_dash_for_what_is_unknown_and_counts_errors() -> None:
    rows = [row("direct", 0, p50_us=100, cpu_us=None), row("ours", 0, p50_us=250, cpu_us=50.0)]
    lines = report.markdown(rows, "# Load test").splitlines()
    assert lines[-2] == "| direct | 10,000 | – | 0.10 | 0.20 | – | – | 64 | 3 |"
    assert lines[-1] == "| ours | 4,000 | – | 0.25 | 0.50 | 50.0 | – | 64 | 3 |"


def test_a_scenario_that_was_not_run_has_no_table() -> None:
    assert "paced100" not in report.markdown([row("direct", 0, p50_us=1, cpu_us=None)], "")
