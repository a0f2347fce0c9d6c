"""Owns a worker's answers: the store that outlives reloads, what is counted of it, and who looks for neighbours."""

from __future__ import annotations

from gateway.answering import Answers, Seats
from gateway.cache.memory import MemoryAnswers
from gateway.clients.clock import Clock
from gateway.config.settings import Settings
from gateway.core.cache_rules import StoreRule
from gateway.core.cache_told import CacheCounts
from gateway.core.cached import AnswerStore


class Caching:
    """The cache of a worker.

    Args:
        clock: The present.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts = CacheCounts()
        self._store: tuple[StoreRule, AnswerStore] | None = None
        self._on = False

    def ways(self, settings: Settings) -> Answers | Seats:
        """Give the ways of calls by a configuration; what is kept stays where the store is the same."""
        rules = settings.cache
        self._on = rules is not None
        if rules is None:
            return Seats()
        if self._store is None or self._store[0] != rules.store:
            self._store = rules.store, MemoryAnswers(rules.store, self._unix_s, self._clock.monotonic_ns)
        return Answers(rules, self._store[1], self._unix_s, self._counts)

    def told(self) -> CacheCounts | None:
        """Say what came of it; ``None`` where there is no cache."""
        if not self._on or self._store is None:
            return None
        counts, held = self._counts, self._store[1].counts()
        counts.entries, counts.bytes = held["entries"], held["bytes"]
        counts.evictions, counts.errors = held["evictions"], held["errors"]
        return counts

    def _unix_s(self) -> int:
        return self._clock.unix_us() // 1_000_000
