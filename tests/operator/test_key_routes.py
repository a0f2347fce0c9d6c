"""``/api/keys`` at a real operator."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from tests.support.operator_plane import OperatorPlane
from tests.support.waiting import until

pytestmark = pytest.mark.integration


def ask(plane: OperatorPlane, method: str, path: str, document: Any = None) -> tuple[int, Any]:
    parts = urlsplit(f"//{plane.address}")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        body = None if document is None else orjson.dumps(document)
        connection.request(method, path, body, {} if body is None else {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, orjson.loads(answer.read())
    finally:
        connection.close()


def test_a_key_is_made_shown_changed_rotated_and_revoked_and_all_of_it_is_in_the_audit(plane: OperatorPlane) -> None:
    status, made = ask(plane, "POST", "/api/keys", {"team": "support", "budget": {"usd": 5, "per": "month"}})
    assert status == 201
    assert made["key"].startswith(f"wb-{made['id']}-")
    path = f"/api/keys/{made['id']}"
    assert ask(plane, "GET", path) == (200, {name: made[name] for name in made if name != "key"})
    assert ask(plane, "PATCH", path, {"team": "sales"})[1]["team"] == "sales"
    status, rotated = ask(plane, "POST", f"{path}/rotate")
    assert (status, rotated["key"] != made["key"], len(rotated["secrets"])) == (200, True, 2)
    assert ask(plane, "POST", f"{path}/revoke")[1]["status"] == "revoked"
    assert ask(plane, "DELETE", path)[1]["status"] == "revoked"
    assert made["id"] in [key["id"] for key in ask(plane, "GET", "/api/keys")[1]["keys"]]

    def told() -> list[dict[str, Any]] | None:
        _, answer = ask(plane, "GET", "/api/audit?since=1h&limit=1000")
        mine = [change for change in answer["changes"] if change["object"] == made["id"]]
        return mine if len(mine) == 4 else None

    changes = until(told)
    actions = [change["action"] for change in reversed(changes)]
    assert actions == ["key.create", "key.update", "key.rotate", "key.revoke"]
    assert {(change["who"], change["role"]) for change in changes} == {("loopback", "key_admin")}
    assert made["key"] not in str(changes)


def test_what_is_wrong_is_said(plane: OperatorPlane) -> None:
    for method, path, document, status in (
        ("POST", "/api/keys", {}, 400),
        ("POST", "/api/keys", {"team": "a", "budget": "x"}, 400),
        ("POST", "/api/keys", None, 400),
        ("GET", "/api/keys/nobody", None, 404),
        ("DELETE", "/api/keys/nobody", None, 404),
        ("GET", "/api/audit?since=x", None, 400),
    ):
        assert ask(plane, method, path, document)[0] == status
