"""What gateways tell each other through a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from redis.asyncio import Redis

from gateway.clients.redis_lessons import MOST_KEPT, RedisLessons
from tests.support.redis_server import RedisServer, needs_redis, redis_server

pytestmark = needs_redis


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as made:
        yield made


def with_lessons(server: RedisServer, test: Callable[[RedisLessons], Awaitable[None]]) -> None:
    async def main() -> None:
        client = Redis(host="127.0.0.1", port=server.port, protocol=2)
        try:
            await test(RedisLessons(client.execute_command))
        finally:
            await client.aclose()

    server.say("FLUSHALL")
    asyncio.run(main())


def test_who_begins_hears_what_is_told_from_then_on(server: RedisServer):
    async def test(lessons: RedisLessons) -> None:
        start, nothing = await lessons.told("")
        assert nothing == []
        await lessons.tell(b"one")
        late, nothing = await lessons.told("")
        assert nothing == []
        await lessons.tell(b"two")
        for place, heard in ((start, [b"one", b"two"]), (late, [b"two"])):
            end, told = await lessons.told(place)
            assert told == heard
            assert await lessons.told(end) == (end, [])

    with_lessons(server, test)


def test_a_server_that_has_lost_all_is_heard_again(server: RedisServer):
    async def test(lessons: RedisLessons) -> None:
        await lessons.tell(b"one")
        place, _ = await lessons.told("")
        server.say("FLUSHALL")
        assert await lessons.told(place) == (place, [])
        # Places are milliseconds: in the same one, what comes would stand where it stood before.
        while time.time_ns() // 1_000_000 <= int(place.partition("-")[0]):
            await asyncio.sleep(0)
        await lessons.tell(b"two")
        assert (await lessons.told(place))[1] == [b"two"]

    with_lessons(server, test)


def test_only_so_many_are_kept(server: RedisServer):
    async def test(lessons: RedisLessons) -> None:
        place, _ = await lessons.told("")
        for _ in range(MOST_KEPT + 300):
            await lessons.tell(b"x")
        heard = 0
        while True:
            place, told = await lessons.told(place)
            if not told:
                break
            heard += len(told)
        # Redis lets them go by the hundred.
        assert MOST_KEPT <= heard <= MOST_KEPT + 200

    with_lessons(server, test)
