from __future__ import annotations

import http.client
import re
from pathlib import Path

import pytest

from gateway.operator.auth import Gate
from gateway.operator.plane import Plane
from gateway.operator.routes import build_app
from tests.support.clock import ManualClock
from tests.support.operator_plane import OperatorPlane

# INTERFACE §7, with what the command line and probes need.
CONTRACT = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/api/exchanges"),
    ("GET", "/api/exchanges/{id}"),
    ("POST", "/api/exchanges/{id}/feedback"),
    ("GET", "/api/spend"),
    ("GET", "/api/spend/estimates"),
    ("GET", "/api/spend/forecast"),
    ("GET", "/api/alerts"),
    ("GET", "/api/drift"),
    ("GET", "/api/cache"),
    ("GET", "/api/cache/explain/{id}"),
    ("POST", "/api/cache/invalidate"),
    ("POST", "/api/erase"),
    ("GET", "/api/keys"),
    ("POST", "/api/keys"),
    ("GET", "/api/keys/{id}"),
    ("PATCH", "/api/keys/{id}"),
    ("DELETE", "/api/keys/{id}"),
    ("POST", "/api/keys/{id}/revoke"),
    ("POST", "/api/keys/{id}/rotate"),
    ("GET", "/api/audit"),
    ("GET", "/api/policies"),
    ("GET", "/api/sql"),
    ("POST", "/api/sql"),
    ("GET", "/api/tail"),
    ("GET", "/api/sessions"),
    ("GET", "/api/sessions/{id}"),
    ("GET", "/api/latency"),
    ("GET", "/api/export"),
    ("GET", "/api/deployments"),
    ("GET", "/api/status"),
}


def test_the_description_lists_every_route_and_no_other(plane: OperatorPlane, tmp_path: Path) -> None:
    _, described = plane.get("/openapi.json")
    documented = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    app = build_app(Plane(tmp_path, ManualClock()), Gate(None))
    routed = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert documented == CONTRACT
    assert routed == CONTRACT | {("GET", "/"), ("GET", "/openapi.json")}
    names = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_every_documented_get_answers_as_documented(plane: OperatorPlane) -> None:
    _, described = plane.get("/openapi.json")
    for path, methods in described["paths"].items():
        if "get" not in methods or "{" in path or path == "/api/tail":
            continue
        query = "?query=SELECT+1" if path == "/api/sql" else ""
        connection = http.client.HTTPConnection("127.0.0.1", plane.port, timeout=60)
        connection.request("GET", path + query)
        answer = connection.getresponse()
        answer.read()
        responses = methods["get"]["responses"]
        assert str(answer.status) in responses, path
        if answer.status == 200:
            kind = (answer.getheader("content-type") or "").partition(";")[0]
            assert kind in responses["200"]["content"], path
        connection.close()


def test_the_console_lists_the_routes(plane: OperatorPlane) -> None:
    status, page = plane.ask("GET", "/")
    assert status == 200
    assert set(re.findall(r"<code>(?:<a [^>]*>)?(/[^<]+)", page.decode())) == {path for _, path in CONTRACT}


@pytest.mark.parametrize(("method", "path"), sorted(CONTRACT))
@pytest.mark.parametrize(
    "headers", [{"host": "attacker.example"}, {"origin": "http://attacker.example"}, {"host": "a", "origin": "null"}]
)
def test_no_route_is_open_to_other_sites(plane: OperatorPlane, method: str, path: str, headers: dict[str, str]) -> None:
    assert plane.ask(method, path.replace("{id}", "x"), {}, headers)[0] == 403
