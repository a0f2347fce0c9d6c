"""Waiting for outside effects: look again and again, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
# What is looked at is often a query of the store, whose work keeps that from happening which is waited for.
FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1


def until(look: Callable[[], _T | None], timeout_s: float = 60.0) -> _T:
    """Look until something is there."""
    deadline, pause_s = time.monotonic() + timeout_s, FIRST_PAUSE_S
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, LONGEST_PAUSE_S)
    return found
