from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.operator_plane import OperatorPlane
from tests.support.waiting import until


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorPlane]:
    """One operator for all tests of a test process."""
    running = OperatorPlane(tmp_path_factory.mktemp("operator"))
    # Its store takes a while to be opened where much else is done.
    until(lambda: running.get("/readyz")[0] == 200 or None)
    yield running
    assert running.stop() == 0
