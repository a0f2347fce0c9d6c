"""Limits counted by all workers together: opens the way to the store, if the configuration names one."""

from __future__ import annotations

import os

from gateway.accounting.shared_script import CALL, LEAVE, WORKER, with_time
from gateway.accounting.shared_state import SharedState
from gateway.app.redis_access import access_to
from gateway.clients.clock import Clock
from gateway.clients.redis_link import RedisLink, Scripts
from gateway.config.redis import SharedCounting
from gateway.config.settings import Settings
from gateway.core.state_counts import StateCounts
from gateway.recording.metrics import Metrics


class Counting:
    """One worker's part in it.

    Args:
        settings: Where the store is.
        clock: Tells the time.
        counts: What came of it so far; of the predecessor, too.
        workers: How many of us there are, until the store knows better.

    Attributes:
        access: To the store.
    """

    def __init__(self, settings: SharedCounting, clock: Clock, counts: StateCounts, workers: int) -> None:
        redis = settings.redis
        self.access = access = access_to(redis)
        scripts = Scripts(with_time(CALL), with_time(WORKER), with_time(LEAVE))
        counts.connected, counts.workers = False, workers
        # A name that no other worker has, nor had: its predecessor's record is for others to clear away.
        self._link = RedisLink(
            access, scripts, os.urandom(8).hex(), limit_s=settings.timeout_s, sleep=clock.sleep, counts=counts
        )
        self.state = SharedState(self._link, scripts, clock, otherwise=settings.on_error)

    async def start(self) -> None:
        """Connect, so that the first calls are counted there already; without an answer it is tried again later."""
        await self._link.start()

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        await self._link.run()

    @property
    def mark(self) -> str:
        """The store's: see :attr:`gateway.clients.redis_link.RedisLink`."""
        return self._link.mark

    def told(self) -> StateCounts:
        """What came of it so far."""
        return self._link.told()

    async def close(self) -> None:
        """Tell the store the last of what was used, and let go."""
        await self._link.close()


async def open_counting(settings: Settings, metrics: Metrics, clock: Clock) -> Counting | None:
    """Open the way to the store; ``None`` where each process counts for itself."""
    if settings.state is None:
        metrics.state = None
        return None
    metrics.state = metrics.state or StateCounts()
    counting = Counting(settings.state, clock, metrics.state, settings.workers)
    await counting.start()
    return counting
