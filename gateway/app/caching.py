"""Owns a worker's answers: the store that outlives reloads, what is counted of it, and who looks for neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.answering import Answers
from gateway.app.alike import Alike
from gateway.app.answer_stores import answer_store
from gateway.cache.careful import CarefulStore
from gateway.cache.memory import MemoryAnswers
from gateway.cache.relaying import Relaying
from gateway.clients.clock import Clock
from gateway.config.redis import RedisStore
from gateway.config.settings import Settings
from gateway.core.cache_rules import StoreRule
from gateway.core.cache_told import CacheCounts
from gateway.realtime.seat import Seats

# What two configurations must have alike to have one store: where it is, its bounds, and whether neighbours are found.
_Same = tuple[StoreRule, RedisStore | None, bool]


class Caching:
    """The cache of a worker.

    Args:
        clock: The present.
        alike: Looks for questions that are alike, where there is somebody for that.
    """

    def __init__(self, clock: Clock, alike: Alike | None = None) -> None:
        self._alike = alike
        self._clock = clock
        self._counts = CacheCounts()
        self._store: tuple[_Same, MemoryAnswers | CarefulStore] | None = None
        self._relaying: Relaying | None = None
        self._former: set[Relaying] = set()
        self._on = False
        self._tasks: set[asyncio.Task[None]] = set()

    def ways(self, settings: Settings) -> Answers | Seats:
        """Give the ways of calls by a configuration; what is kept stays where the store is the same."""
        rules = settings.cache
        self._on = rules is not None
        if rules is None:
            return Seats()
        same = rules.store, settings.cache_redis, rules.semantic is not None
        if self._store is None or self._store[0] != same:
            before, shared = self._store, answer_store(settings, self._clock)
            self._store = same, shared or MemoryAnswers(rules.store, self._unix_s, self._clock.monotonic_ns)
            if shared is not None:
                self._beside(shared.open())
            relaying, self._relaying = self._relaying, None
            if before is not None and isinstance(before[1], CarefulStore):
                self._beside(self._let_go(before[1], relaying))
        store = self._store[1]
        if self._relaying is None:
            self._relaying = Relaying(self._meeting(settings, store), self._clock)
        answers = Answers(rules, store, self._unix_s, self._counts, relaying=self._relaying)
        if self._alike is not None:
            answers.neighbours = self._alike.neighbours(rules, store, answers.partition, self._counts.count)
        return answers

    def report(self) -> dict[str, str]:
        """Give a word on what is amiss with the store, for whoever asks for all; nothing where nothing is."""
        store = self._store[1] if self._on and self._store is not None else None
        note = store.note if isinstance(store, CarefulStore) else ""
        return {"cache": note} if note else {}

    def told(self) -> CacheCounts | None:
        """Say what came of it; ``None`` where there is no cache."""
        if not self._on or self._store is None:
            return None
        counts, held = self._counts, self._store[1].counts()
        counts.entries, counts.bytes = held["entries"], held["bytes"]
        counts.evictions, counts.errors = held["evictions"], held["errors"]
        counts.results |= self._alike.told() if self._alike is not None else {}
        return counts

    async def run(self) -> None:
        """Learn from other workers, and tell them, until it is cancelled."""
        if self._alike is not None:
            await self._alike.run()

    async def close(self) -> None:
        """Write down what there is to be, and let go of the store."""
        if self._alike is not None:
            await self._alike.close()
        for relaying in (*self._former, *((self._relaying,) if self._relaying is not None else ())):
            await relaying.close()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._store is not None and isinstance(self._store[1], CarefulStore):
            await self._store[1].close()
        self._store = None

    async def _let_go(self, store: CarefulStore, relaying: Relaying | None) -> None:
        """Close a store. Calls that still have it get nothing from it any more, but the streams that they follow."""
        if relaying is not None:
            self._former.add(relaying)
            await relaying.ended()
            self._former.discard(relaying)
        await store.close()

    @staticmethod
    def _meeting(settings: Settings, store: MemoryAnswers | CarefulStore) -> CarefulStore | None:
        """Give where workers pass on streams to each other; a home with one worker has none to meet."""
        alone = settings.cache_redis is None and settings.workers == 1
        return store if isinstance(store, CarefulStore) and not alone else None

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="cache-store")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _unix_s(self) -> int:
        return self._clock.unix_us() // 1_000_000
