from __future__ import annotations

from gateway.operator.spend_query import COLUMNS
from gateway.recording.metrics import Metrics
from tests.support.clock import ManualClock
from tests.support.operator_plane import OperatorPlane, exchange


def test_what_is_described_is_what_is_read(plane: OperatorPlane) -> None:
    plane.record(exchange(team="described"))
    _, described = plane.get("/openapi.json")
    operation = described["paths"]["/api/spend"]["get"]
    named = {one["name"] for one in operation["parameters"]}
    assert named == {"by", "since", "until", "zone", "tag", "energy", "energy_zone", *COLUMNS}
    line = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["total"]
    _, answer = plane.get("/api/spend?team=described")
    # Energy is told where it was asked for.
    energy = {
        "unknown_energy_calls",
        *(f"estimated_{what}_{end}" for what in ("kwh", "gco2e") for end in ("low", "high")),
    }
    assert energy < line["properties"].keys()
    assert line["properties"].keys() - energy <= answer["rows"][0].keys()
    assert answer["rows"][0].keys() - answer["total"].keys() == {"team"}


def test_estimates_are_answered_as_described(plane: OperatorPlane) -> None:
    worker = Metrics(7, ManualClock().unix_ms)
    worker.estimate_errors.add(("p", "openai", "input"), 104, 100)
    counts = plane.run_dir / "worker-7.metrics.json"
    worker.write_snapshot(counts)
    _, described = plane.get("/openapi.json")
    operation = described["paths"]["/api/spend/estimates"]["get"]
    line = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["estimates"]["items"]
    status, answer = plane.get("/api/spend/estimates")
    # The plane is that of other tests too.
    counts.unlink()
    assert status == 200
    (row,) = [row for row in answer["estimates"] if row["provider"] == "p"]
    assert row.keys() == line["properties"].keys()
    assert row["mean_error"] == 0.04
