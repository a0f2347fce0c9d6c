"""Over HTTP: who may erase, and what is said when it cannot be done at once."""

from __future__ import annotations

from gateway.operator.erase_routes import EraseApi, about_erasing
from gateway.operator.plane import Plane
from gateway.operator.roles import NEEDED
from tests.support.clock import ManualClock


def test_erasing_asks_for_a_role_of_its_own(tmp_path) -> None:
    (operation,) = about_erasing(EraseApi(Plane(tmp_path / "run", ManualClock())))
    assert NEEDED[operation.method, operation.path] == "eraser"
    assert list(NEEDED.values()).count("eraser") == 1
    assert set((operation.body or {})["properties"]) == {"session", "key", "user", "id", "tag", "tenant", "dry_run"}
