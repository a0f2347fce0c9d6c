from __future__ import annotations

from pathlib import Path

import pytest

from gateway.recording.estimate_errors import (
    ERROR_BOUNDS,
    ERROR_SIZE,
    ERROR_SUM,
    ESTIMATED,
    OTHER,
    REPORTED,
    ErrorCounts,
    ErrorKey,
    EstimateErrors,
    errors_added_up,
)
from gateway.recording.metrics import Metrics
from tests.support.clock import ManualClock


def test_errors_fall_into_buckets_by_their_size_whichever_way_they_go():
    errors = EstimateErrors()
    for estimated in (1000, 1001, 999, 1010, 989, 3000):
        errors.add(("p", "openai", "input"), estimated, 1000)
    counts = errors.counts["p", "openai", "input"]
    at = {bound: counts[index] for index, bound in enumerate(ERROR_BOUNDS)}
    assert at[0.001] == 3
    assert at[0.01] == 1
    assert at[0.025] == 1
    assert counts[len(ERROR_BOUNDS)] == 1
    assert counts[ERROR_SUM] == pytest.approx(0.001 + 0.001 + 0.01 + 0.011 + 2.0)
    assert (counts[ESTIMATED], counts[REPORTED]) == (7999, 6000)


def test_without_a_report_there_is_nothing_to_compare_with():
    errors = EstimateErrors()
    errors.add(("p", "openai", "output"), 5, 0)
    errors.add(("p", "openai", "output"), 5, -3)
    assert not errors.counts


def test_label_sets_are_bounded():
    errors = EstimateErrors(most=2)
    for number in range(50):
        errors.add((f"p{number}", "openai", "input"), 1, 1)
    assert len(errors.counts) == 3
    assert errors.counts[OTHER, OTHER, "input"][REPORTED] == 48


def test_workers_are_added_up_and_a_successor_goes_on(tmp_path: Path):
    path = tmp_path / "worker-0.metrics.json"
    told = [_counted(path) for _ in range(2)][-1]
    sums = errors_added_up([told, told, [(("p", "openai", "input"), [1, 2])]])
    assert len(sums["p", "openai", "input"]) == ERROR_SIZE
    assert sums["p", "openai", "input"][REPORTED] == 40


def _counted(path: Path) -> list[tuple[ErrorKey, ErrorCounts]]:
    worker = Metrics(0, ManualClock().unix_ms)
    worker.resume(path)
    worker.estimate_errors.add(("p", "openai", "input"), 11, 10)
    assert worker.write_snapshot(path)
    return worker.snapshot().estimate_errors
