"""Guards that a reload has replaced: kept until the calls that began under them have had their time, then closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol


class Closable(Protocol):
    """What holds connections; :class:`gateway.guards.engine.GuardEngine`."""

    async def close(self) -> None:
        """Let go of them."""
        ...


class Retiring:
    """Closes what is no longer in force.

    Args:
        sleep: Waits for some seconds.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._waiting: dict[asyncio.Task[None], Closable] = {}

    def retire(self, replaced: Closable, after_s: float) -> None:
        """Close something after a while."""
        task = asyncio.get_running_loop().create_task(self._close(replaced, after_s))
        self._waiting[task] = replaced
        task.add_done_callback(lambda done: self._waiting.pop(done, None))

    async def close(self) -> None:
        """Close now what is still waiting."""
        waiting = dict(self._waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for replaced in waiting.values():
            await replaced.close()

    async def _close(self, replaced: Closable, after_s: float) -> None:
        await self._sleep(after_s)
        await replaced.close()
