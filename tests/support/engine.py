"""One directory for ClickHouse's embedded engine a test process (it opens no second one), and databases in it."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import shutil
import tempfile
from pathlib import Path

_numbers = itertools.count()


@functools.cache
def engine_dir() -> Path:
    path = Path(tempfile.mkdtemp(prefix="engine-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def fresh_database() -> str:
    return f"test_{os.getpid()}_{next(_numbers)}"
