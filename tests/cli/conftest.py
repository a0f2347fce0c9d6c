from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import quick_start
from tests.support.operator_plane import OperatorPlane

Weighbridge = Callable[..., "subprocess.CompletedProcess[bytes]"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorPlane]:
    """One operator for all tests of a test process."""
    running = OperatorPlane(tmp_path_factory.mktemp("operator"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def weighbridge() -> Weighbridge:
    """Run the command as a user does; ``env`` adds to an environment without any settings of ours."""

    def run(*words: str, env: dict[str, str] | None = None, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
        return quick_start.run(words, cwd=ROOT, env=clean | (env or {}), given=given)

    return run
