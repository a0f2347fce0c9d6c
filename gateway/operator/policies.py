"""The policies in force, from the reports of all workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gateway.operator.metrics import is_fresh, read_workers
from gateway.recording.policy_report import PolicyReport, read_reports

_OWN = ("v", "index", "pid", "last_reload")


def policies_in_force(run_dir: Path, now_ms: int) -> dict[str, Any]:
    """Say what is in force.

    Args:
        run_dir: Where workers leave their reports.
        now_ms: Milliseconds since 1970: workers that have been silent for long are left out.

    Returns:
        The bundle of the worker that changed last, with ``last_reload`` (a rejected one goes before an applied one),
        and for each worker its revision. Without a worker, nothing is in force.
    """
    up = {one.index for one in read_workers(run_dir) if is_fresh(one, now_ms)}
    reports = [report for report in read_reports(run_dir) if report.index in up]
    if not reports:
        return {"revision": None, "rules": [], "detectors": [], "files": [], "last_reload": None, "workers": []}
    newest = max(reports, key=lambda report: report.since_ms)
    told = max(reports, key=_urgency)
    shown = msgspec.to_builtins(newest)
    return {
        **{name: value for name, value in shown.items() if name not in _OWN},
        "last_reload": msgspec.to_builtins(told.last_reload),
        "workers": [
            {"index": one.index, "pid": one.pid, "revision": one.revision, "last_reload": one.last_reload.result}
            for one in reports
        ],
    }


def _urgency(report: PolicyReport) -> tuple[bool, int]:
    return report.last_reload.result == "rejected", report.last_reload.at_ms
