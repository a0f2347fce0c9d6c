"""Tells other gateways which deployments this worker leaves alone, and hears which they do; beside all calls."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from random import SystemRandom
from typing import Protocol

from gateway.app.build import Shared
from gateway.app.redis_access import access_to
from gateway.config.redis import RedisStore
from gateway.core.errors import StoreUnavailable
from gateway.core.hint import Hint, HintCounts
from gateway.routing.hints import Hints

log = logging.getLogger("weighbridge.hints")
# A hint is a quarter of a second old on its way out, and another on its way in; breakers stay open for two at least.
EVERY_S = 0.25
MAX_WAIT_S = 10.0
# Loaded where it is asked for only: the driver is some megabytes.
_STORE = "gateway.clients.redis_hints"


class Store(Protocol):
    """Where hints are."""

    async def exchange(self, news: Sequence[Hint], names: Sequence[str]) -> list[Hint]:
        """Tell some and ask for others."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Hinting:
    """Exchanges hints until it is cancelled. Without an answer it is as if there were none.

    Args:
        hints: What there is to tell, and who listens.
        store: Where they are.
        sleep: Waits for some seconds.
        counts: What came of it.
    """

    def __init__(
        self, hints: Hints, store: Store, sleep: Callable[[float], Awaitable[None]], counts: HintCounts
    ) -> None:
        self._hints = hints
        self._store = store
        self._sleep = sleep
        self._counts = counts
        self._failed_in_a_row = 0
        self._random = SystemRandom()

    async def run(self) -> None:
        """Exchange hints again and again."""
        try:
            while True:
                await self._sleep(await self.once())
        finally:
            await self._store.close()

    async def once(self) -> float:
        """Exchange hints; returns the seconds until the next time."""
        counts, hints = self._counts, self._hints
        asked = hints.asked()
        news = hints.news(asked)
        try:
            heard = await self._store.exchange(news, list(asked))
        except StoreUnavailable as error:
            hints.forget_told()
            counts.failed += 1
            if not self._failed_in_a_row:
                log.warning("hints: %s; going on without", error.public_message)
            counts.connected = False
            self._failed_in_a_row = min(self._failed_in_a_row + 1, 16)
            # Many gateways that lost one server do not come back to it together.
            return min(MAX_WAIT_S, EVERY_S * 2**self._failed_in_a_row) * (0.5 + self._random.random() / 2)
        if self._failed_in_a_row:
            log.info("hints: Redis answers again")
        self._failed_in_a_row = 0
        counts.connected = True
        counts.told += len(news)
        counts.believed += hints.hear(asked, heard)
        return EVERY_S


def start_hinting(redis: RedisStore | None, shared: Shared) -> list[asyncio.Task[None]]:
    """Start exchanging hints, if the configuration says where; whoever gets the task ends it."""
    if redis is None:
        return []
    module = import_module(_STORE)
    access = access_to(redis)
    counts = shared.metrics.hints = HintCounts()
    hinting = Hinting(Hints(shared.healths, os.urandom(8).hex()), module.RedisHints(access), shared.clock.sleep, counts)
    return [asyncio.get_running_loop().create_task(hinting.run())]
