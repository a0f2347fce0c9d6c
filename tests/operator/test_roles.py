from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import PermissionDenied
from gateway.operator.auth import Gate
from gateway.operator.plane import Plane
from gateway.operator.roles import EVERY_ROLE, NEEDED, ROLES, Role, Visitor, check_role, roles_of
from gateway.operator.routes import build_app
from tests.support.clock import ManualClock


def routed(tmp_path: Path) -> set[tuple[str, str]]:
    app = build_app(Plane(tmp_path, ManualClock()), Gate(None))
    routes = [route for route in app.router.routes() if route.resource is not None and route.method != "HEAD"]
    return {(route.method, route.resource.canonical) for route in routes if route.resource is not None}


def test_every_route_asks_for_a_role_and_no_role_is_for_a_route_that_is_not(tmp_path: Path) -> None:
    assert set(NEEDED) == routed(tmp_path)


def test_what_changes_something_is_not_for_those_who_only_look() -> None:
    assert [route for route, role in NEEDED.items() if route[0] != "GET" and role == "viewer"] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_look_and_do_what_it_is_for_and_nothing_else(role: Role) -> None:
    visitor = Visitor(name="ann", roles=frozenset({role}))
    for (method, path), needed in NEEDED.items():
        if needed in {role, "viewer"}:
            check_role(visitor, NEEDED, method, path)
        else:
            with pytest.raises(PermissionDenied, match=needed):
                check_role(visitor, NEEDED, method, path)


def test_without_a_role_nothing_may_be_done_and_with_all_of_them_all_that_is_in_the_table() -> None:
    for method, path in NEEDED:
        check_role(Visitor(name="root"), NEEDED, method, path)
        with pytest.raises(PermissionDenied):
            check_role(Visitor(name="nobody", roles=frozenset()), NEEDED, method, path)


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/forgotten"), ("PUT", "/api/sql"), ("OPTIONS", "/metrics")])
def test_what_is_not_in_the_table_is_for_nobody(method: str, path: str) -> None:
    with pytest.raises(PermissionDenied):
        check_role(Visitor(name="root"), NEEDED, method, path)


def test_head_asks_for_what_get_asks_for() -> None:
    check_role(Visitor(name="ann", roles=frozenset({"viewer"})), NEEDED, "HEAD", "/metrics")


@pytest.mark.parametrize(
    ("written", "roles"),
    [
        (("admin",), EVERY_ROLE),
        (("viewer", "key_admin"), {"viewer", "key_admin"}),
        (("admin", "viewer"), EVERY_ROLE),
        (("boss",), set()),
        ((), set()),
    ],
)
def test_roles_are_made_of_the_words_for_them(written: tuple[str, ...], roles: set[Role]) -> None:
    assert roles_of(written) == roles
