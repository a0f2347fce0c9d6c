"""Copies of calls in metrics: what there is now is of those who are there, counts are of all who ever were."""

from __future__ import annotations

from pathlib import Path

from gateway.operator.families import render
from gateway.operator.mirror_families import mirror_families
from gateway.recording.metrics import Metrics, Snapshot, read_snapshot
from tests.operator.test_metrics import parse_strictly, value
from tests.support.clock import ManualClock

HERE = {"alias": "m", "to": "q/x"}


def snapshot(path: Path, number: int) -> Snapshot:
    metrics = Metrics(number, ManualClock().unix_ms)
    metrics.resume(path)
    counts = metrics.mirror("m", "q/x")
    assert metrics.mirror("m", "q/x") is counts
    assert (counts.waiting, counts.running) == (0, 0)
    counts.waiting, counts.running = 2, 3
    counts.count("answered", 5)
    counts.count("dropped")
    counts.compare("text", same=True)
    counts.compare("text", same=False)
    counts.cost_nanousd += 70
    counts.real_nanousd += 50
    metrics.write_snapshot(path)
    found = read_snapshot(path)
    assert found is not None
    return found


def test_gauges_are_of_the_living_and_counts_outlive_a_worker(tmp_path: Path):
    path = tmp_path / "worker-0.metrics.json"
    snapshot(path, 0)
    # Its successor goes on.
    second, other = snapshot(path, 0), snapshot(tmp_path / "worker-1.metrics.json", 1)
    found = parse_strictly(render(mirror_families([second, other], [second])))
    assert value(found, "weighbridge_mirror_waiting", **HERE) == 2
    assert value(found, "weighbridge_mirror_in_flight", **HERE) == 3
    assert value(found, "weighbridge_mirrors_total", **HERE, outcome="answered") == 15
    assert value(found, "weighbridge_mirrors_total", **HERE, outcome="dropped") == 3
    assert value(found, "weighbridge_mirrors_total", **HERE, outcome="failed") == 0
    assert value(found, "weighbridge_mirror_compared_total", **HERE, what="text", same="yes") == 3
    assert value(found, "weighbridge_mirror_compared_total", **HERE, what="text", same="no") == 3
    assert value(found, "weighbridge_mirror_cost_nanousd_total", **HERE) == 210
    assert value(found, "weighbridge_mirrored_cost_nanousd_total", **HERE) == 150
