from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.support.operator_plane import OperatorPlane, exchange


def test_a_session_is_listed_and_shown_whatever_its_name(plane: OperatorPlane) -> None:
    name = "run/ä %2F?x"
    one, other = plane.record(exchange(session_id=name, team="runs"), exchange(session_id=name, team="runs"))
    status, listed = plane.get("/api/sessions?team=runs")
    assert status == 200
    (row,) = listed["sessions"]
    assert (row["session_id"], row["calls"], row["teams"]) == (name, 2, ["runs"])
    status, tree = plane.get(f"/api/sessions/{quote(name, safe='')}")
    assert status == 200
    assert {node["id"] for node in tree["children"]} == {one, other}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/sessions/nobody", 404, "session_not_found"),
        ("/api/sessions/nobody?by=colour", 400, "invalid_request"),
        ("/api/sessions?limit=501", 400, "invalid_request"),
        ("/api/latency?by=colour", 400, "invalid_request"),
        ("/api/latency?by=alias,provider,model", 400, "invalid_request"),
    ],
)
def test_what_cannot_be_answered_says_so(plane: OperatorPlane, path: str, status: int, code: str) -> None:
    found, document = plane.get(path)
    assert (found, document["error"]["code"]) == (status, code)


def test_latency_is_told_by_what_was_asked(plane: OperatorPlane) -> None:
    plane.record(exchange(deployment="slow/model", duration_ms=5_000.0))
    status, document = plane.get("/api/latency?by=deployment&since=1h")
    assert status == 200
    (row,) = [row for row in document["rows"] if row["deployment"] == "slow/model"]
    assert (row["calls"], row["duration_ms_p99"]) == (1, 5_000)
