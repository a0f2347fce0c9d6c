"""Kept answers in Redis, for all gateways that share it. Questions that are alike find each other where it searches.

Each question is one round trip. Values of another format, and such as somebody has damaged, are no answers and are
removed. A server that has lost everything is one that has nothing yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.clients import redis_cache_scripts as layout
from gateway.clients.redis_lessons import RedisLessons
from gateway.clients.redis_line import RedisAccess
from gateway.clients.redis_relays import RedisRelays
from gateway.clients.redis_search import RedisSearch
from gateway.core.cache_survey import Kept, Survey, Tally, Wanted
from gateway.core.cached import CachedAnswer
from gateway.core.cached_bytes import group_of, pack, unpack, worth_of
from gateway.core.errors import StoreUnavailable

T = TypeVar("T")

CONNECT_S, TIMEOUT_S = 1.0, 5.0
# So many questions are under way at once; the others wait for their turn.
LINES = 16
# What lists, index and the server's own books take of an entry, beside its answer and its vector.
ENTRY_BYTES = 600
_BATCH = 200


class RedisCache:
    """One Redis database, as the store of answers.

    Args:
        access: To the server.
        unix_s: Tells the time.
        max_bytes: Of all entries there.
        max_entries: How many.
        neighbours: Whether questions that are alike are looked for.

    Attributes:
        relays: Where those who share it pass streams on to each other.
    """

    def __init__(
        self,
        access: RedisAccess,
        *,
        unix_s: Callable[[], float],
        max_bytes: int,
        max_entries: int,
        neighbours: bool,
    ) -> None:
        self._redis: Any = Redis(
            **access.driver(),
            protocol=2,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=CONNECT_S,
            # Whoever asks us goes on without an answer.
            retry=Retry(NoBackoff(), 0),
            max_connections=LINES,
        )
        self._turns = asyncio.Semaphore(LINES)
        self._unix_s = unix_s
        self._max_bytes, self._max_entries = max_bytes, max_entries
        self._neighbours = neighbours
        self._search = RedisSearch(self._redis.execute_command)
        self._lessons = RedisLessons(self._redis.execute_command)
        self.relays = RedisRelays(partial(self._asked, self._redis.execute_command))
        scripts = (layout.PUT, layout.GET, layout.REMOVE, layout.RENEW, layout.RELEASE)
        self._put, self._get, self._remove, self._renew, self._release = map(self._redis.register_script, scripts)

    @property
    def searches(self) -> bool:
        """Whether neighbours can be asked for, as far as is known."""
        return self._neighbours and self._search.able

    @property
    def note(self) -> str:
        """Why not, where that is worth a word."""
        return self._search.note if self._neighbours else ""

    async def open(self) -> None:
        """Ask what the server can do.

        Raises:
            StoreUnavailable: It does not answer.
        """
        if self._neighbours:
            await self._asked(self._search.probe)

    def glance(self, key: bytes) -> tuple[bool, CachedAnswer | None]:
        """Know nothing without asking."""
        return False, None

    async def get(self, key: bytes) -> CachedAnswer | None:
        """Give an answer that has not expired."""
        found = await self._asked(self._get, layout.LISTS, (layout.ENTRY, key.hex(), 1))
        if found is None:
            return None
        answer = unpack(cast("bytes", found))
        if answer is None or answer.key != key:
            await self.remove(key)
            return None
        return answer if answer.expires_s > self._unix_s() else None

    async def put(self, answer: CachedAnswer, vector: bytes) -> int:
        """Keep an answer, in the place of one with its key."""
        data = pack(answer)
        if vector and not (self._neighbours and await self._asked(self._search.have, len(vector) // 2)):
            vector = b""
        size = len(data) + len(vector) + ENTRY_BYTES
        if size > self._max_bytes:
            return -1
        worth = worth_of(answer) / size
        fields: list[str | int | float | bytes] = [
            layout.ANSWER,
            data,
            layout.WORTH,
            worth,
            layout.TENANT,
            answer.tenant,
        ]
        fields += [layout.ALIAS, answer.alias, layout.MODEL, answer.model, layout.STORED, answer.stored_s]
        fields += [layout.COST, answer.cost_nanousd or 0]
        if vector:
            fields += [layout.FAMILY, group_of(answer.partition, answer.fingerprint).hex(), layout.VECTOR, vector]
        bounds = (answer.expires_s, size, worth, self._max_entries, self._max_bytes)
        arguments = (layout.ENTRY, int(self._unix_s()), answer.key.hex(), *bounds, *fields)
        return int(await self._asked(self._put, layout.LISTS, arguments))

    async def near(
        self, partition: str, fingerprint: bytes, vector: bytes, most: int
    ) -> list[tuple[CachedAnswer, float]]:
        """Give the nearest, with their cosines."""
        if not self.searches:
            return []
        found = await self._asked(self._search.near, group_of(partition, fingerprint), vector, most)
        now_s = self._unix_s()
        return [
            (answer, near)
            for answer, near in ((unpack(data), near) for data, near in found)
            if answer is not None
            and answer.partition == partition
            and answer.fingerprint == fingerprint
            and answer.expires_s > now_s
        ]

    async def remove(self, key: bytes) -> int:
        """Forget one entry."""
        return await self._forget([key.hex()])

    async def find(self, wanted: Wanted, most: int) -> list[Kept]:
        """Give entries, those that expire first before others."""
        found: list[Kept] = []
        async for _, kept in self._each():
            if len(found) >= most:
                break
            if wanted(kept.answer):
                found.append(kept)
        return found

    async def drop(self, wanted: Wanted, *, dry_run: bool) -> int:
        """Forget entries, or say how many that would be."""
        names = [name async for name, kept in self._each() if wanted(kept.answer)]
        if dry_run:
            return len(names)
        return sum([await self._forget(names[at : at + _BATCH]) for at in range(0, len(names), _BATCH)])

    async def lead(self, key: bytes, token: str, ttl_s: float) -> bool:
        """Be the one gateway that asks."""
        return bool(await self._asked(self._redis.set, layout.LEAD + key.hex(), token, nx=True, px=_ms(ttl_s)))

    async def led(self, key: bytes) -> bool:
        """Whether one does."""
        return bool(await self._asked(self._redis.exists, layout.LEAD + key.hex()))

    async def renew(self, key: bytes, token: str, ttl_s: float) -> None:
        """Be it for longer."""
        await self._asked(self._renew, (layout.LEAD + key.hex(),), (token, _ms(ttl_s)))

    async def release(self, key: bytes, token: str) -> None:
        """Let others ask."""
        await self._asked(self._release, (layout.LEAD + key.hex(),), (token,))

    async def state_get(self, name: str) -> bytes:
        """Give small state."""
        return cast("bytes | None", await self._asked(self._redis.get, layout.STATE + name)) or b""

    async def state_put(self, name: str, data: bytes) -> None:
        """Keep small state."""
        await self._asked(self._redis.set, layout.STATE + name, data)

    async def tell(self, lesson: bytes) -> None:
        """Tell all gateways of something learnt."""
        await self._asked(self._lessons.tell, lesson)

    async def told(self, place: str) -> tuple[str, list[bytes]]:
        """Give what was told after a place, and the place behind it."""
        return await self._asked(self._lessons.told, place)

    async def sums(self) -> tuple[int, int]:
        """Give how many entries there are, and their bytes."""
        return (await self._sums())[:2]

    async def survey(self) -> Survey:
        """Say what is there."""
        await self.open()
        tally, fields = Tally(), (layout.TENANT, layout.ALIAS, layout.MODEL, layout.STORED, layout.COST)
        async for names in self._names():
            asking = self._redis.pipeline(transaction=False)
            for name in names:
                asking.hmget(layout.ENTRY + name, fields)
            asking.hmget(layout.SIZES, names)
            asking.hmget(layout.HITS, names)
            *rows, sizes, hits = cast("list[list[bytes | None]]", await self._asked(asking.execute))
            for row, size, given in zip(rows, sizes, hits, strict=True):
                tenant, alias, model, stored, cost = ((value or b"").decode("utf-8", "replace") for value in row)
                if stored.isdigit():
                    whose = (tenant, alias, model)
                    tally.add(
                        whose, size=int(size or 0), hits=int(given or 0), cost=int(cost or 0), stored_s=int(stored)
                    )
        entries, held, evictions = await self._sums()
        return Survey(
            kind="redis",
            searches=self.searches,
            note=self.note,
            entries=entries,
            bytes=held,
            max_entries=self._max_entries,
            max_bytes=self._max_bytes,
            evictions=evictions,
            parts=tally.parts(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _sums(self) -> tuple[int, int, int]:
        asking = self._redis.pipeline(transaction=False)
        asking.zcount(layout.EXPIRY, f"({int(self._unix_s())}", "+inf")
        asking.hmget(layout.SUMS, ("bytes", "evictions"))
        entries, (size, evictions) = await self._asked(asking.execute)
        return entries, int(size or 0), int(evictions or 0)

    async def _forget(self, names: list[str]) -> int:
        return int(await self._asked(self._remove, layout.LISTS, (layout.ENTRY, *names)))

    async def _names(self) -> AsyncIterator[list[str]]:
        """All entries, by name, in batches. What comes meanwhile may be missed, what goes is not there."""
        known = cast("list[bytes]", await self._asked(self._redis.zrange, layout.EXPIRY, 0, -1))
        for at in range(0, len(known), _BATCH):
            yield [name.decode("ascii", "replace") for name in known[at : at + _BATCH]]

    async def _each(self) -> AsyncIterator[tuple[str, Kept]]:
        now_s = self._unix_s()
        async for names in self._names():
            asking = self._redis.pipeline(transaction=False)
            for name in names:
                asking.hmget(layout.ENTRY + name, (layout.ANSWER, layout.FAMILY))
            asking.hmget(layout.SIZES, names)
            asking.hmget(layout.HITS, names)
            *rows, sizes, hits = cast("list[list[bytes | None]]", await self._asked(asking.execute))
            for name, (data, family), size, given in zip(names, rows, sizes, hits, strict=True):
                answer = unpack(data or b"")
                if answer is not None and answer.expires_s > now_s:
                    yield (
                        name,
                        Kept(answer=answer, hits=int(given or 0), size_bytes=int(size or 0), vector=bool(family)),
                    )

    async def _asked(self, ask: Callable[..., Awaitable[T]], *what: Any, **how: Any) -> T:
        """Wait for a line and for the server; its own words may name what is not ours to show."""
        async with self._turns:
            try:
                return await ask(*what, **how)
            except (RedisError, OSError, TimeoutError) as error:
                raise StoreUnavailable(f"Redis does not answer ({type(error).__name__}).") from None


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
