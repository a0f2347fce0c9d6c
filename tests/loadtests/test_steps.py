"""The way of a small chat call through the gateway stays short: steps are counted, which no busy machine changes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from loadtests.steps import CALLS, count

# A tenth more than when it was last measured; whoever needs more raises it, and says why.
MOST_CALLS = 80
MOST_BYTECODES = 2650


def test_a_call_takes_as_few_steps_as_it_did(tmp_path: Path) -> None:
    codes, calls = asyncio.run(count(tmp_path))
    assert calls.total() / CALLS <= MOST_CALLS
    assert codes.total() > CALLS * 1000, "nothing was counted"
    if sys.version_info[:2] == (3, 11):
        assert codes.total() / CALLS <= MOST_BYTECODES
