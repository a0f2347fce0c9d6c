"""Kept answers in metrics: what there is now is of those who are there, counts are of all who ever were."""

from __future__ import annotations

from pathlib import Path

from gateway.core.cache_told import CacheCounts
from gateway.operator.cache_families import cache_families
from gateway.operator.families import render
from gateway.recording.metrics import Metrics, Snapshot, read_snapshot
from tests.operator.test_metrics import parse_strictly, value
from tests.support.clock import ManualClock


def snapshot(path: Path, number: int) -> Snapshot:
    metrics = Metrics(number, ManualClock().unix_ms)
    metrics.resume(path)
    metrics.cache = CacheCounts(entries=2, bytes=20, saved_nanousd=7, evictions=1, errors=3)
    metrics.cache.count("miss")
    metrics.write_snapshot(path)
    found = read_snapshot(path)
    assert found is not None
    return found


def test_gauges_are_of_the_living_and_counts_outlive_a_worker(tmp_path: Path):
    path = tmp_path / "worker-0.metrics.json"
    snapshot(path, 0)
    # Its successor goes on.
    second, other = snapshot(path, 0), snapshot(tmp_path / "worker-1.metrics.json", 1)
    found = parse_strictly(render(cache_families([second, other], [second])))
    assert value(found, "weighbridge_cache_entries") == 2
    assert value(found, "weighbridge_cache_bytes") == 20
    assert value(found, "weighbridge_cache_results_total", result="miss") == 3
    assert value(found, "weighbridge_cache_saved_nanousd_total") == 21
    assert value(found, "weighbridge_cache_evictions_total") == 3
    assert value(found, "weighbridge_cache_errors_total") == 9


def test_without_a_cache_nothing_is_said():
    assert all(not family.samples for family in cache_families([Snapshot()], [Snapshot()]))
