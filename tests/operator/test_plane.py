from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import StoreUnavailable
from gateway.operator.plane import OpenStore, Plane
from gateway.operator.process import open_driver
from gateway.operator.queries import TraceQueries
from gateway.operator.store import TraceStore
from tests.support.clock import ManualClock


def test_a_store_that_is_not_open_is_unavailable_and_says_when_to_come_back(tmp_path: Path) -> None:
    plane = Plane(tmp_path, ManualClock())
    assert not plane.health.up
    with pytest.raises(StoreUnavailable) as caught:
        _ = plane.store
    assert caught.value.retry_after_s


def test_an_open_store_is_given(tmp_path: Path) -> None:
    plane = Plane(tmp_path, ManualClock())
    driver = open_driver(f"chdb://{tmp_path}")
    plane.open_store = OpenStore(TraceStore(driver), TraceQueries(driver, plane.clock))
    assert plane.store is plane.open_store


def test_planes_do_not_share_their_health(tmp_path: Path) -> None:
    one, other = Plane(tmp_path, ManualClock()), Plane(tmp_path, ManualClock())
    one.health.failed("open", "away")
    assert (one.health.errors, one.health.last_error) == ({"open": 1}, "away")
    assert (other.health.errors, other.health.last_error) == ({}, "")
