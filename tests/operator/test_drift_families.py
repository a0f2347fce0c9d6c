from __future__ import annotations

from pathlib import Path

from gateway.config.drifting import Drift
from gateway.core.drift import Finding
from gateway.core.drift_hours import Compared
from gateway.core.ids import IdSource
from gateway.operator.drift_families import drift_families
from gateway.operator.drift_watch import DriftWatch
from gateway.operator.families import render
from gateway.operator.plane import Plane
from tests.support.clock import ManualClock


def test_what_was_compared_is_shown_and_what_was_not_has_no_sample(tmp_path: Path) -> None:
    watch = DriftWatch(Drift(), Plane(tmp_path, ManualClock()), IdSource(bytes))
    watch.latest = {
        ("a", "p"): [
            Compared(measure="blocks", against="weekday", finding=Finding(state="drifting", far=2.5)),
            Compared(measure="cost", against="", finding=Finding(state="too little data")),
        ]
    }
    watch.compared_s, watch.left_out = 7200, 3
    text = render(drift_families(watch))
    assert "weekday" not in text
    assert 'weighbridge_drift_distance_ratio{alias="a",prompt="p",measure="blocks"} 2.5' in text
    assert 'weighbridge_drift_firing{alias="a",prompt="p",measure="blocks"} 0' in text
    assert 'measure="cost"' not in text
    assert 'weighbridge_drift_looks_total{result="failed"} 0' in text
    assert "weighbridge_drift_window_end_timestamp_seconds 7200" in text
    assert "weighbridge_drift_subjects_left_out 3" in text


def test_without_drift_the_families_have_no_samples() -> None:
    assert all(not family.samples for family in drift_families(None))
