from __future__ import annotations

from gateway.operator.spend_query import COLUMNS
from tests.support.operator_plane import OperatorPlane, exchange


def test_what_is_described_is_what_is_read(plane: OperatorPlane) -> None:
    plane.record(exchange(team="described"))
    _, described = plane.get("/openapi.json")
    operation = described["paths"]["/api/spend"]["get"]
    named = {one["name"] for one in operation["parameters"]}
    assert named == {"by", "since", "until", "zone", "tag", *COLUMNS}
    line = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["total"]
    _, answer = plane.get("/api/spend?team=described")
    assert line["properties"].keys() <= answer["rows"][0].keys()
    assert answer["rows"][0].keys() - answer["total"].keys() == {"team"}
