from __future__ import annotations

from gateway.operator.alert_view import alert_families, alerts_now
from gateway.operator.families import render
from tests.support.operator_plane import OperatorPlane


def test_without_alerts_the_families_are_there_and_empty() -> None:
    text = render(alert_families(None))
    assert "# TYPE weighbridge_alert_firing gauge" in text
    assert [line for line in text.splitlines() if not line.startswith("#")] == []
    assert alerts_now(None) == []


def test_the_plane_lists_them(plane: OperatorPlane) -> None:
    assert plane.get("/api/alerts") == (200, {"alerts": []})
    assert b"weighbridge_alert_looks_total" in plane.ask("GET", "/metrics")[1]
