"""Waiting for outside effects: look again and again, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def until(look: Callable[[], _T | None], timeout_s: float = 60.0) -> _T:
    """Look until something is there."""
    deadline = time.monotonic() + timeout_s
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.01)
    return found
