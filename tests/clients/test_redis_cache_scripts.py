"""The lists beside the entries stay right, also where the server lets go of entries by itself."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.clients import redis_cache_scripts as layout
from gateway.clients.redis_cache import RedisCache
from gateway.clients.redis_line import RedisAccess
from tests.support.answers import an_answer, key_of
from tests.support.redis_server import RedisServer, needs_redis, redis_server

pytestmark = [pytest.mark.integration, needs_redis]


def lengths(server: RedisServer) -> tuple[bytes, ...]:
    asked = (("ZCARD", layout.VALUE), ("ZCARD", layout.EXPIRY), ("HLEN", layout.SIZES))
    return tuple(server.say(*words).strip() for words in asked)


def test_what_the_server_lets_go_by_itself_takes_no_room_for_long():
    async def main(server: RedisServer) -> None:
        access, now = RedisAccess(host="127.0.0.1", port=server.port), [time.time()]
        shelf = RedisCache(access, unix_s=lambda: now[0], max_bytes=1 << 20, max_entries=10, neighbours=False)

        async def put(name: str, lasts_s: int) -> int:
            return await shelf.put(an_answer(name, expires_s=int(now[0]) + lasts_s), b"")

        for number in range(5):
            await put(f"n{number}", 100)
        for number in range(5):
            await put(f"later{number}", 10_000)
        assert lengths(server) == (b":10",) * 3
        # One is let go of by the server, some are over by their time.
        server.say("DEL", layout.ENTRY + key_of("later1").hex())
        assert await shelf.get(key_of("later1")) is None
        now[0] += 200
        assert await put("new", 100) == 0
        assert lengths(server) == (b":6",) * 3
        assert [await put(f"more{number}", 100) for number in range(4)] == [0] * 4
        evicted = [await put(f"yet more{number}", 100) for number in range(30)]
        assert sum(evicted) == 30
        assert lengths(server) == (b":10",) * 3
        entries, size = await shelf.sums()
        assert size == sum([kept.size_bytes for kept in await shelf.find(lambda _: True, 99)])
        assert await shelf.drop(lambda _: True, dry_run=False) == entries == 10
        assert lengths(server) == (b":0",) * 3
        assert await shelf.sums() == (0, 0)
        await shelf.close()

    with redis_server() as server:
        asyncio.run(main(server))
