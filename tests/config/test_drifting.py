from __future__ import annotations

from gateway.config.drifting import Drift
from gateway.core.drift_hours import Span


def test_a_window_is_six_hours_and_looks_back_four_weeks() -> None:
    assert Drift().span == Span(hours=6, weeks=4)
