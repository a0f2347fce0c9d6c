from __future__ import annotations

from pathlib import Path

import pytest

from gateway.operator.estimates import estimates_now
from gateway.recording.metrics import Metrics
from tests.support.clock import ManualClock


def test_a_row_says_how_far_and_to_which_side(tmp_path: Path):
    for index, estimates in ((0, (100, 104, 90)), (1, (100,))):
        worker = Metrics(index, ManualClock().unix_ms)
        for estimated in estimates:
            worker.estimate_errors.add(("p", "openai", "input"), estimated, 100)
        worker.write_snapshot(tmp_path / f"worker-{index}.metrics.json")
    assert estimates_now(tmp_path) == [
        {
            "provider": "p",
            "rules": "openai",
            "direction": "input",
            "calls": 4,
            "reported_tokens": 400,
            "estimated_tokens": 394,
            "difference": pytest.approx(-0.015),
            "mean_error": pytest.approx(0.035),
            "median_error_below": 0.001,
            "p95_error_below": 0.1,
        }
    ]


def test_beyond_the_last_bound_nothing_is_said(tmp_path: Path):
    worker = Metrics(0, ManualClock().unix_ms)
    worker.estimate_errors.add(("p", "other", "output"), 500, 100)
    worker.write_snapshot(tmp_path / "worker-0.metrics.json")
    (row,) = estimates_now(tmp_path)
    assert row["median_error_below"] is None
    assert row["difference"] == 4.0


def test_nobody_has_compared_anything_yet(tmp_path: Path):
    assert estimates_now(tmp_path) == []
