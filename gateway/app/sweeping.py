"""Frees what a reload has left behind in rings.

Replaced policies refer to each other in rings, with all that was remembered under them, and so does what calls leave
while a reload keeps the collector from working. Both are set aside with what is there to stay, where the collector
never looks again: a gateway that is reloaded under load would grow by megabytes each time. So what was set aside is
walked once more, when the calls that began under the old policies have had their time. That stops everybody for some
tens of milliseconds; it is done when no call is under way, or when there was no such moment for long.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

# How often it is looked whether a call is under way, and for how long.
LOOK_S, PATIENCE_S = 0.02, 60.0


def sweep() -> None:
    """Look through all there is, free what nobody can reach, and set the rest aside again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Sweeping:
    """Sweeps some time after it was asked to; asked meanwhile, once more.

    Args:
        busy: How many calls are under way.
        sleep: Waits for some seconds.
        work: Does it.
    """

    def __init__(
        self,
        busy: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        work: Callable[[], None] = sweep,
    ) -> None:
        self._busy = busy
        self._sleep = sleep
        self._work = work
        self._asked = 0
        self._task: asyncio.Task[None] | None = None

    def after(self, seconds: float) -> None:
        """Sweep when so many seconds have passed."""
        self._asked += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(seconds))

    async def close(self) -> None:
        """Sweep no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, seconds: float) -> None:
        done = 0
        while done != self._asked:
            done = self._asked
            await self._sleep(seconds)
            looks = round(PATIENCE_S / LOOK_S)
            while self._busy() and looks:
                looks -= 1
                await self._sleep(LOOK_S)
            self._work()
