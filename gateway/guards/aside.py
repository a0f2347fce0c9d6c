"""One thread beside the loop for texts that take long to look at.

A body of a few kilobytes is screened in microseconds, on the loop. One of a megabyte, made to look like credentials
all over, takes half a second: nobody else's call may wait for that. There is one such thread, so that it never takes
more than a core, and calls that need it wait for their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# Bodies from the first size on are screened beside the loop when a glance shows that they are full of numbers; from
# the second on, unless a glance shows that nothing is in them; from the third on, without a glance.
DENSE_BYTES, LARGE_BYTES, HUGE_BYTES = 1024, 16_384, 1_048_576

Given = TypeVar("Given")


class Aside:
    """Runs work in a thread of its own, one piece after the other. The thread starts when it is first needed."""

    __slots__ = ("_pool",)

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="guards")

    async def run(self, work: Callable[[], Given]) -> Given:
        """Wait for a piece of work; it goes on when nobody waits for it any more."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let the thread end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
