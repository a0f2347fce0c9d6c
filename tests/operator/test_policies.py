from __future__ import annotations

from pathlib import Path

from gateway.operator.policies import policies_in_force
from gateway.recording.metrics import Metrics
from gateway.recording.policy_report import LastReload, PolicyReport, RuleRow, report_path, write_report

NOW = 1_800_000_000_000


def worker(run_dir: Path, index: int, report: PolicyReport, written_ms: int = NOW) -> None:
    """Leave behind what a worker leaves."""
    Metrics(index, lambda: written_ms).write_snapshot(run_dir / f"worker-{index}.metrics.json")
    report.index = index
    write_report(report_path(run_dir, index), report)


def test_without_a_worker_nothing_is_in_force(tmp_path: Path) -> None:
    assert policies_in_force(tmp_path, NOW) == {
        "revision": None, "rules": [], "detectors": [], "files": [], "last_reload": None, "workers": [],
    }  # fmt: skip


def test_the_bundle_that_changed_last_is_shown_and_who_has_it(tmp_path: Path) -> None:
    rule = RuleRow(id="r", actions=("block",), mode="enforce", file="p.yaml", line=7)
    worker(tmp_path, 0, PolicyReport(revision="old", since_ms=NOW - 9000))
    worker(tmp_path, 1, PolicyReport(revision="new", since_ms=NOW - 10, rules=(rule,), tests=3))
    found = policies_in_force(tmp_path, NOW)
    assert (found["revision"], found["tests"], [rule["id"] for rule in found["rules"]]) == ("new", 3, ["r"])
    assert [(one["index"], one["revision"]) for one in found["workers"]] == [(0, "old"), (1, "new")]
    assert "v" not in found


def test_a_rejected_reload_is_told_before_an_applied_one(tmp_path: Path) -> None:
    rejected = LastReload(result="rejected", at_ms=NOW - 500, problems=("p.yaml:1: no",))
    worker(tmp_path, 0, PolicyReport(revision="a", last_reload=rejected))
    worker(tmp_path, 1, PolicyReport(revision="a", last_reload=LastReload(result="applied", at_ms=NOW)))
    assert policies_in_force(tmp_path, NOW)["last_reload"] == {
        "result": "rejected", "at_ms": NOW - 500, "seconds": 0.0, "problems": ("p.yaml:1: no",),
    }  # fmt: skip


def test_a_worker_that_is_gone_is_left_out(tmp_path: Path) -> None:
    worker(tmp_path, 0, PolicyReport(revision="gone"), written_ms=NOW - 3_600_000)
    assert policies_in_force(tmp_path, NOW)["workers"] == []
