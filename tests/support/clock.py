"""A clock that moves only when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class ManualClock:
    """Implements ``Clock``. ``sleep`` returns when :meth:`advance` has moved far enough.

    Args:
        unix_ms: The wall clock at the start.
    """

    def __init__(self, unix_ms: int = 1_700_000_000_000) -> None:
        self._unix_us = unix_ms * 1000
        self._now_ns = 1_000_000_000
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def monotonic_ns(self) -> int:
        return self._now_ns

    def unix_ms(self) -> int:
        return self._unix_us // 1000

    def unix_us(self) -> int:
        return self._unix_us

    @property
    def sleepers(self) -> int:
        """How many tasks wait for time to pass."""
        return sum(not waiter.done() for _, _, waiter in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        due = self._now_ns + round(seconds * 1e9)
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due, next(self._order), waiter))
        await waiter

    def advance(self, seconds: float) -> None:
        """Move time forward and wake whoever it reached."""
        self._now_ns += round(seconds * 1e9)
        self._unix_us += round(seconds * 1e6)
        while self._sleepers and self._sleepers[0][0] <= self._now_ns:
            waiter = heapq.heappop(self._sleepers)[2]
            if not waiter.done():
                waiter.set_result(None)
