"""Answers in the memory of one worker: bounded by entries and bytes, the least recently used goes first.

Others wait here for an answer that somebody asks for already, so that one call goes upstream and not all of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable

from gateway.cache.said import words_in
from gateway.core.cache_rules import StoreRule
from gateway.core.cached import CachedAnswer, Lease, Selector

# What an entry takes besides its body.
_OVERHEAD_BYTES = 1024
_MOST_LEASES = 65_536
_MOST_STATES = 64


class _Leading:
    """One who asks for an answer, and those who wait for it."""

    def __init__(self, store: MemoryAnswers, key: bytes, until_ns: int) -> None:
        self.until_ns = until_ns
        self.waiting: list[asyncio.Future[CachedAnswer | None]] = []
        self._store = store
        self._key = key

    async def release(self) -> None:
        """Let others ask; those that wait go on without an answer."""
        self._store.over(self._key, self, None)

    def tell(self, answer: CachedAnswer | None) -> None:
        """Tell those that wait."""
        for each in self.waiting:
            if not each.done():
                each.set_result(answer)
        self.waiting.clear()


class MemoryAnswers:
    """A :class:`gateway.core.cached.AnswerStore` without neighbours.

    Args:
        rule: How much it holds.
        unix_s: The present.
        monotonic_ns: Nanoseconds from anywhere.
    """

    searches = False

    def __init__(self, rule: StoreRule, unix_s: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self._rule = rule
        self._unix_s = unix_s
        self._monotonic_ns = monotonic_ns
        self._kept: OrderedDict[bytes, CachedAnswer] = OrderedDict()
        self._bytes = 0
        self._leading: dict[bytes, _Leading] = {}
        self._states: dict[str, bytes] = {}
        self._counts: Counter[str] = Counter()

    async def get(self, key: bytes) -> CachedAnswer | None:
        """Give an answer that has not expired."""
        answer = self._kept.get(key)
        if answer is not None and answer.expires_s <= self._unix_s():
            self._forget(key)
            answer = None
        self._counts["misses" if answer is None else "hits"] += 1
        if answer is not None:
            self._kept.move_to_end(key)
        return answer

    async def put(self, answer: CachedAnswer, vector: bytes = b"") -> None:
        """Keep an answer; those that wait for it get it."""
        if answer.key in self._kept:
            self._forget(answer.key)
        size = _size(answer)
        if size <= self._rule.max_bytes:
            while self._kept and (
                self._bytes + size > self._rule.max_bytes or len(self._kept) >= self._rule.max_entries
            ):
                self._forget(next(iter(self._kept)))
                self._counts["evictions"] += 1
            self._kept[answer.key] = answer
            self._bytes += size
        leading = self._leading.get(answer.key)
        if leading is not None:
            self.over(answer.key, leading, answer)

    async def near(
        self, partition: str, fingerprint: bytes, vector: bytes, most: int
    ) -> list[tuple[CachedAnswer, float]]:
        """Give none: neighbours are not looked for here."""
        return []

    async def drop(self, what: Selector, *, dry_run: bool) -> int:
        """Forget entries, and say how many."""
        now_s = self._unix_s()
        if what.key:
            answer = self._kept.get(what.key)
            meant = [answer] if answer is not None and what.means(answer, now_s, words_in) else []
        else:
            meant = [each for each in self._kept.values() if what.means(each, now_s, words_in)]
        if not dry_run:
            for each in meant:
                self._forget(each.key)
        return len(meant)

    async def lead(self, key: bytes, ttl_s: float) -> Lease | None:
        """Be the one who asks, where nobody does."""
        now_ns, leading = self._monotonic_ns(), self._leading.get(key)
        if leading is not None:
            if now_ns < leading.until_ns:
                return None
            self.over(key, leading, None)
        if len(self._leading) >= _MOST_LEASES:
            oldest = next(iter(self._leading))
            self.over(oldest, self._leading[oldest], None)
        made = self._leading[key] = _Leading(self, key, now_ns + int(ttl_s * 1e9))
        return made

    async def wait(self, key: bytes, limit_s: float) -> CachedAnswer | None:
        """Wait for the answer that somebody else asks for."""
        leading = self._leading.get(key)
        if leading is None:
            return await self.get(key)
        told: asyncio.Future[CachedAnswer | None] = asyncio.get_running_loop().create_future()
        leading.waiting.append(told)
        late = asyncio.get_running_loop().call_later(limit_s, lambda: None if told.done() else told.set_result(None))
        try:
            return await told
        finally:
            late.cancel()

    def over(self, key: bytes, leading: _Leading, answer: CachedAnswer | None) -> None:
        """End the asking for an answer."""
        if self._leading.get(key) is leading:
            del self._leading[key]
        leading.tell(answer)

    async def state_get(self, name: str) -> bytes:
        """Give small state."""
        return self._states.get(name, b"")

    async def state_put(self, name: str, data: bytes) -> None:
        """Keep small state."""
        if name in self._states or len(self._states) < _MOST_STATES:
            self._states[name] = data

    async def tell(self, lesson: bytes) -> None:
        """Nobody shares it."""

    async def told(self, place: str) -> tuple[str, list[bytes]]:
        """Nobody tells anything."""
        return place, []

    def counts(self) -> dict[str, int]:
        """Say how it fares."""
        kept = ("hits", "misses", "evictions", "errors")
        return {"entries": len(self._kept), "bytes": self._bytes} | {name: self._counts[name] for name in kept}

    def _forget(self, key: bytes) -> None:
        self._bytes -= _size(self._kept.pop(key))


def _size(answer: CachedAnswer) -> int:
    return len(answer.body) + len(answer.question) + len(answer.fingerprint) + _OVERHEAD_BYTES
