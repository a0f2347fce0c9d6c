"""Rings that were set aside are freed: in their time, when nobody is under way, and not without end."""

from __future__ import annotations

import asyncio
import gc
import weakref

from gateway.app.sweeping import LOOK_S, PATIENCE_S, Sweeping, sweep


class Ring:
    def __init__(self) -> None:
        self.itself = self


def test_a_ring_that_was_set_aside_is_freed_and_what_is_in_use_is_set_aside_again() -> None:
    ring, kept = Ring(), Ring()
    gone, there = weakref.ref(ring), weakref.ref(kept)
    before = gc.get_freeze_count()
    try:
        gc.freeze()
        del ring
        gc.collect()
        assert gone() is not None
        sweep()
        assert gone() is None
        assert there() is kept
        assert gc.get_freeze_count() > 0
    finally:
        if not before:
            gc.unfreeze()


class Site:
    """A gateway whose clock is a list of what was slept."""

    def __init__(self, busy: list[int]) -> None:
        self.slept: list[float] = []
        self.swept_at: list[int] = []
        self._busy = busy
        self.sweeping = Sweeping(self.under_way, self.sleep, lambda: self.swept_at.append(len(self.slept)))

    def under_way(self) -> int:
        return self._busy.pop(0) if self._busy else 0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def idle(self) -> None:
        task = self.sweeping._task
        assert task is not None
        await task


def test_it_waits_for_its_time_and_for_a_moment_without_calls() -> None:
    async def main() -> None:
        site = Site([3, 1])
        site.sweeping.after(30.0)
        await site.idle()
        assert site.slept == [30.0, LOOK_S, LOOK_S]
        assert site.swept_at == [3]

    asyncio.run(main())


def test_where_calls_never_end_it_is_done_all_the_same() -> None:
    async def main() -> None:
        site = Site([1] * 10_000)
        site.sweeping.after(30.0)
        await site.idle()
        assert site.swept_at == [1 + round(PATIENCE_S / LOOK_S)]

    asyncio.run(main())


def test_many_reloads_are_one_sweep_and_one_more_for_those_that_came_meanwhile() -> None:
    async def main() -> None:
        site = Site([])
        for _ in range(5):
            site.sweeping.after(30.0)
        await asyncio.sleep(0)
        site.sweeping.after(30.0)
        await site.idle()
        assert site.slept == [30.0, 30.0]
        assert site.swept_at == [1, 2]
        site.sweeping.after(1.0)
        await site.idle()
        assert len(site.swept_at) == 3

    asyncio.run(main())


def test_at_the_end_nothing_is_waited_for() -> None:
    async def main() -> None:
        swept: list[int] = []
        sweeping = Sweeping(lambda: 0, work=lambda: swept.append(1))
        await sweeping.close()
        sweeping.after(3600.0)
        await sweeping.close()
        assert swept == []

    asyncio.run(main())
