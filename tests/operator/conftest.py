from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.operator_plane import OperatorPlane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorPlane]:
    """One operator for all tests of a test process."""
    running = OperatorPlane(tmp_path_factory.mktemp("operator"))
    yield running
    assert running.stop() == 0
