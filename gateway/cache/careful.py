"""A store of answers that may fail, made one that never does: what is late or broken has nothing and keeps nothing.

::

    closed ──so many failures in a row──► open ──its time is over──► one try ──answered──► closed
                                            ▲                            │
                                            └───────────failed───────────┘

While it is open nobody asks the store at all, so that a store that is gone costs a call nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from random import SystemRandom
from typing import Any, Protocol, TypeVar, TypeVarTuple

from gateway.cache.leases import Leases
from gateway.cache.relays import Relays
from gateway.cache.said import words_in
from gateway.clients.clock import Clock
from gateway.core.cache_survey import Kept, Survey, Wanted
from gateway.core.cached import CachedAnswer, Lease, Selector
from gateway.core.errors import StoreUnavailable

log = logging.getLogger("weighbridge.cache")
T = TypeVar("T")
U = TypeVar("U")
Asked = TypeVarTuple("Asked")

FAILURES = 3
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
# Nobody waits for an answer to be put away; but a store that is stuck must be noticed.
PUT_S, OPEN_S = 2.0, 10.0
# Who waits for another's answer looks for it so often.
FIRST_LOOK_S, LONGEST_LOOK_S = 0.01, 0.1
# So many answers may be on their way to the store; more are not kept.
MOST_PUTS = 256
# Entries and bytes are counted anew so often.
LOOK_S = 5.0
# So many entries that could not be removed are remembered, and removed as soon as the store answers again.
MOST_OWED, _OWED_AT_ONCE = 10_000, 8


class Shelf(Protocol):
    """A store that says when it fails: all of it may raise :class:`StoreUnavailable`."""

    @property
    def searches(self) -> bool:
        """Whether neighbours can be asked for."""
        ...

    @property
    def note(self) -> str:
        """Why not, where that is worth a word."""
        ...

    @property
    def relays(self) -> Relays:
        """Where those who share it pass streams on to each other."""
        ...

    async def open(self) -> None:
        """Learn what is there; everything works without, only later."""
        ...

    def glance(self, key: bytes) -> tuple[bool, CachedAnswer | None]:
        """Say at once whether it is known what :meth:`get` would give, and what."""
        ...

    async def get(self, key: bytes) -> CachedAnswer | None:
        """Give an answer that has not expired."""
        ...

    async def put(self, answer: CachedAnswer, vector: bytes) -> int:
        """Keep an answer; how many had to go for it, and -1 where it is not kept."""
        ...

    async def near(
        self, partition: str, fingerprint: bytes, vector: bytes, most: int
    ) -> list[tuple[CachedAnswer, float]]:
        """Give the nearest, with their cosines."""
        ...

    async def remove(self, key: bytes) -> int:
        """Forget one entry."""
        ...

    async def find(self, wanted: Wanted, most: int) -> list[Kept]:
        """Give entries."""
        ...

    async def drop(self, wanted: Wanted, *, dry_run: bool) -> int:
        """Forget entries, or say how many that would be."""
        ...

    async def lead(self, key: bytes, token: str, ttl_s: float) -> bool:
        """Be the one who asks."""
        ...

    async def led(self, key: bytes) -> bool:
        """Whether somebody is."""
        ...

    async def renew(self, key: bytes, token: str, ttl_s: float) -> None:
        """Be it for so long from now on, where one still is."""
        ...

    async def release(self, key: bytes, token: str) -> None:
        """Let others ask."""
        ...

    async def state_get(self, name: str) -> bytes:
        """Give small state."""
        ...

    async def state_put(self, name: str, data: bytes) -> None:
        """Keep small state."""
        ...

    async def tell(self, lesson: bytes) -> None:
        """Tell all who share the store."""
        ...

    async def told(self, place: str) -> tuple[str, list[bytes]]:
        """Give what was told after a place, and the place behind it."""
        ...

    async def sums(self) -> tuple[int, int]:
        """Give how many entries there are, and their bytes."""
        ...

    async def survey(self) -> Survey:
        """Say what is there."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class _Late:
    """What there is instead of an answer that has not come."""


_LATE = _Late()


class CarefulStore:
    """The store that calls have, as :class:`gateway.core.cached.AnswerStore`.

    Args:
        shelf: The store itself.
        clock: Tells the time.
        limit_s: How long a call waits for it.
    """

    def __init__(self, shelf: Shelf, clock: Clock, limit_s: float) -> None:
        self._shelf = shelf
        self._clock = clock
        self._limit_s = limit_s
        self._failures = 0
        self._closed_until_ns = 0
        self._trying = self._closed = False
        self._puts = 0
        self._looked_ns: int | None = None
        self._owed: dict[bytes, None] = {}
        self._leases = Leases(shelf, self._asked, clock, limit_s)
        self._random = SystemRandom()
        self._counts: dict[str, int] = dict.fromkeys(
            ("entries", "bytes", "hits", "misses", "evictions", "refused", "errors"), 0
        )

    @property
    def searches(self) -> bool:
        """Whether neighbours can be asked for."""
        return self._shelf.searches

    @property
    def note(self) -> str:
        """A word on what is amiss; empty where nothing is."""
        return "The store does not answer." if self._failures >= FAILURES else self._shelf.note

    async def open(self) -> None:
        """Learn what is there."""
        await self._asked(self._shelf.open, (), None, OPEN_S)
        await self.look()

    async def get(self, key: bytes) -> CachedAnswer | None:
        """Give an answer that has not expired."""
        known, found = self._shelf.glance(key)
        if not known:
            found = await self._asked(self._shelf.get, (key,), None, self._limit_s)
        if self._owed:
            found = None if key in self._owed else found
            await self._pay()
        self._counts["misses" if found is None else "hits"] += 1
        return found

    async def put(self, answer: CachedAnswer, vector: bytes = b"") -> None:
        """Keep an answer; not where too many are on their way already."""
        if self._puts >= MOST_PUTS:
            self._counts["refused"] += 1
            return
        self._puts += 1
        try:
            evicted = await self._asked(self._shelf.put, (answer, vector), None, max(PUT_S, self._limit_s))
        finally:
            self._puts -= 1
        if evicted is not None:
            self._owed.pop(answer.key, None)
            self._counts["evictions" if evicted >= 0 else "refused"] += abs(evicted)
        if self._looked_ns is None or self._clock.monotonic_ns() - self._looked_ns > LOOK_S * 1e9:
            await self.look()

    async def near(
        self, partition: str, fingerprint: bytes, vector: bytes, most: int
    ) -> list[tuple[CachedAnswer, float]]:
        """Give the nearest."""
        if not self._shelf.searches:
            return []
        asked = (partition, fingerprint, vector, most)
        found = await self._asked(self._shelf.near, asked, None, self._limit_s) or []
        return [each for each in found if each[0].key not in self._owed] if self._owed else found

    async def drop(self, what: Selector, *, dry_run: bool) -> int:
        """Forget entries."""
        if what.key and not dry_run and what == Selector(key=what.key):
            return await self._remove(what.key)
        now_s = self._clock.unix_ms() // 1000
        try:
            return await self._shelf.drop(lambda answer: what.means(answer, now_s, words_in), dry_run=dry_run)
        except StoreUnavailable:
            self._counts["errors"] += 1
            return 0

    async def lead(self, key: bytes, ttl_s: float) -> Lease | None:
        """Be the one who asks, where there is still no answer. Without the store everybody asks for themselves."""
        return await self._leases.lead(key, ttl_s)

    async def wait(self, key: bytes, limit_s: float) -> CachedAnswer | None:
        """Wait for what somebody else asks for."""
        until_ns = self._clock.monotonic_ns() + round(limit_s * 1e9)
        look_s = FIRST_LOOK_S
        while True:
            # In this order: who asks puts the answer first, and lets go then.
            led = await self._asked(self._shelf.led, (key,), None, self._limit_s)
            found = await self._asked(self._shelf.get, (key,), None, self._limit_s)
            left_s = (until_ns - self._clock.monotonic_ns()) / 1e9
            if found is not None or not led or left_s <= 0:
                self._counts["misses" if found is None else "hits"] += 1
                return found
            await self._clock.sleep(min(look_s, left_s))
            look_s = min(2 * look_s, LONGEST_LOOK_S)

    async def state_get(self, name: str) -> bytes:
        """Give small state."""
        return await self._asked(self._shelf.state_get, (name,), b"", PUT_S)

    async def state_put(self, name: str, data: bytes) -> None:
        """Keep small state."""
        await self._asked(self._shelf.state_put, (name, data), None, PUT_S)

    async def tell(self, lesson: bytes) -> None:
        """Tell all who share the store of something learnt."""
        await self._asked(self._shelf.tell, (lesson,), None, PUT_S)

    async def told(self, place: str) -> tuple[str, list[bytes]]:
        """Give what was told after a place, and the place behind it."""
        nothing: tuple[str, list[bytes]] = (place, [])
        return await self._asked(self._shelf.told, (place,), nothing, PUT_S)

    async def want(self, key: bytes, for_s: float) -> None:
        """Ask whoever leads a stream to say it; see :class:`gateway.cache.relays.Relays`. No call waits for these."""
        await self._asked(self._shelf.relays.want, (key, for_s), None, PUT_S)

    async def wanted(self) -> set[bytes]:
        """Give what is asked for; nothing where that cannot be known."""
        nothing: set[bytes] = set()
        return await self._asked(self._shelf.relays.wanted, (), nothing, PUT_S)

    async def say(self, key: bytes, parts: list[bytes], for_s: float, *, anew: bool) -> bool | None:
        """Leave the next parts; ``None``: the store is not asked now; false: nobody knows what it has done."""
        if self._rests():
            return None
        say = partial(self._shelf.relays.say, anew=anew)
        return await self._asked(say, (key, parts, for_s), None, PUT_S) or False

    async def lies(self, key: bytes) -> tuple[bytes, int]:
        """Give the first part, and how many there are."""
        return await self._asked(self._shelf.relays.lies, (key,), None, PUT_S) or (b"", 0)

    async def said(self, key: bytes, after: int) -> list[bytes]:
        """Give the parts behind the first so many."""
        nothing: list[bytes] = []
        return await self._asked(self._shelf.relays.said, (key, after), nothing, PUT_S)

    def counts(self) -> dict[str, int]:
        """Say how it fares."""
        return self._counts.copy()

    async def look(self) -> None:
        """Bring ``entries`` and ``bytes`` of the counts up to date."""
        self._looked_ns = self._clock.monotonic_ns()
        entries, size = await self._asked(self._shelf.sums, (), (0, 0), PUT_S)
        self._counts |= {"entries": entries, "bytes": size}

    async def close(self) -> None:
        """Let go of the store; calls that still have this one get nothing from it."""
        await self._leases.close()
        self._closed = True
        await self._shelf.close()

    async def _remove(self, key: bytes) -> int:
        removed = await self._asked(self._shelf.remove, (key,), None, PUT_S)
        if removed is not None:
            self._owed.pop(key, None)
        elif len(self._owed) < MOST_OWED:
            self._owed[key] = None
        return removed or 0

    async def _pay(self) -> None:
        """Remove some of what could not be removed before."""
        for key in list(self._owed)[:_OWED_AT_ONCE]:
            if self._failures:
                break
            await self._remove(key)

    async def _asked(
        self, ask: Callable[[*Asked], Coroutine[Any, Any, T]], what: tuple[*Asked], otherwise: U, limit_s: float
    ) -> T | U:
        if self._rests():
            return otherwise
        self._trying = self._failures >= FAILURES
        # A call's own steps are not a task's, so that a time limit needs one.
        asking = asyncio.get_running_loop().create_task(ask(*what), name="cache")
        try:
            await asyncio.wait((asking,), timeout=limit_s)
            answer = asking.result() if asking.done() else _LATE
        except StoreUnavailable as error:
            self._note_failure(error.public_message)
            return otherwise
        finally:
            asking.cancel()
            self._trying = False
        if isinstance(answer, _Late):
            self._note_failure("The store is too slow.")
            return otherwise
        if self._failures >= FAILURES:
            log.info("cache: the store answers again")
        self._failures = 0
        return answer

    def _rests(self) -> bool:
        """Whether the store is not to be asked now."""
        if self._failures < FAILURES:
            return self._closed
        return self._closed or self._trying or self._clock.monotonic_ns() < self._closed_until_ns

    def _note_failure(self, said: str) -> None:
        self._counts["errors"] += 1
        self._failures += 1
        if self._failures < FAILURES:
            return
        if self._failures == FAILURES:
            log.warning("cache: %s Going on without it.", said)
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures - FAILURES, 10))
        # Many workers that lost one store do not come back to it together.
        pause_ns = round(pause_s * (0.5 + self._random.random() / 2) * 1e9)
        self._closed_until_ns = self._clock.monotonic_ns() + pause_ns
