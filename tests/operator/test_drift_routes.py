"""What the plane says where nothing is compared, and what it refuses; the rest is in tests/cli/test_drift.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator_plane import OperatorPlane
from tests.support.waiting import until


def answered(plane: OperatorPlane, query: str) -> Any:
    status, told = plane.get(f"/api/drift?{query}")
    return told if status == 200 else None


def test_where_nothing_is_compared_that_is_said(plane: OperatorPlane) -> None:
    # Where others are at work as well, its store may not be open yet.
    told = until(lambda: answered(plane, "since=24h&alias=no-such"), 60)
    assert told["rows"] == []
    assert told["notes"] == ["Nothing is compared: drift.enabled is false."]


@pytest.mark.parametrize("query", ["measure=colour", "since=yesterday", "alias=" + "a" * 600])
def test_what_is_asked_wrongly_is_refused(plane: OperatorPlane, query: str) -> None:
    assert plane.get(f"/api/drift?{query}")[0] == 400
