"""Answers in a Redis that is gone, stuck, flushed, full, or holds what is none of ours: misses, never errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from gateway.cache.careful import CarefulStore
from gateway.clients import redis_cache_scripts as layout
from gateway.clients.clock import SystemClock
from gateway.clients.redis_cache import RedisCache
from gateway.clients.redis_line import RedisAccess
from gateway.core.cached import CachedAnswer, Selector
from gateway.core.errors import StoreUnavailable
from tests.support.answers import a_vector, an_answer, key_of
from tests.support.redis_server import RedisServer, needs_redis, needs_search, redis_server, search_server

pytestmark = [pytest.mark.integration, needs_redis, needs_search]
KEY, PLACE = key_of("one"), ("aa" * 16, b"f" * 32)
Test = Callable[[RedisCache, CarefulStore], Awaitable[None]]


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with search_server() as server:
        yield server


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    shared.say("FLUSHALL")
    return shared


def on(server: RedisServer, test: Test, limit_s: float = 5.0, password: str | None = None) -> None:
    async def main() -> None:
        access = RedisAccess(host="127.0.0.1", port=server.port, password=password)
        shelf = RedisCache(access, unix_s=time.time, max_bytes=1 << 20, max_entries=100, neighbours=True)
        store = CarefulStore(shelf, SystemClock(), limit_s)
        try:
            await test(shelf, store)
        finally:
            await store.close()

    asyncio.run(main())


def one(name: str = "one") -> CachedAnswer:
    now_s = int(time.time())
    return an_answer(name, stored_s=now_s, expires_s=now_s + 600)


async def everything_misses(store: CarefulStore) -> None:
    assert await store.get(KEY) is None
    await store.put(one())
    assert await store.near(*PLACE, a_vector(1), 3) == []
    assert await store.drop(Selector(everything=True), dry_run=True) == 0
    assert await store.lead(KEY, 1.0) is not None
    assert await store.wait(KEY, 0.1) is None
    assert await store.state_get("x") == b""


def test_a_server_that_is_gone_is_a_miss_and_comes_back(server: RedisServer):
    with redis_server() as own:

        async def test(shelf: RedisCache, store: CarefulStore) -> None:
            await store.put(one())
            assert await store.get(KEY) is not None
            own.stop()
            await everything_misses(store)
            with pytest.raises(StoreUnavailable):
                await shelf.survey()
            own.start()
            assert await shelf.get(KEY) is None
            assert await shelf.put(one(), a_vector(1)) == 0
            assert await shelf.get(KEY) is not None

        on(own, test)


def test_a_server_that_is_stuck_is_waited_for_as_long_as_allowed(server: RedisServer):
    async def test(shelf: RedisCache, store: CarefulStore) -> None:
        await shelf.put(one(), b"")
        await shelf.get(KEY)
        server.hold()
        try:
            began_ns = time.monotonic_ns()
            for _ in range(50):
                assert await store.get(KEY) is None
                assert await store.near(*PLACE, a_vector(1), 3) == []
            # Three that wait, and a few that try again later; never a hundred.
            assert time.monotonic_ns() - began_ns < 3e9
            assert store.counts()["errors"] < 10
        finally:
            server.go_on()
        assert await shelf.get(KEY) is not None

    on(server, test, limit_s=0.05)


def test_a_server_that_has_lost_everything_has_nothing_and_takes_new_ones(server: RedisServer):
    async def test(shelf: RedisCache, store: CarefulStore) -> None:
        for _ in range(2):
            await store.put(one(), a_vector(1))
            assert [answer.key for answer, _ in await store.near(*PLACE, a_vector(1), 3)] == [KEY]
            server.say("FLUSHALL")
            server.say("SCRIPT", "FLUSH")
            assert await store.get(KEY) is None
            assert await store.near(*PLACE, a_vector(1), 3) == []
            assert await shelf.sums() == (0, 0)
        # Entries that are put before anybody looks for neighbours are in the new index, too.
        await store.put(one(), a_vector(1))
        server.say("FLUSHALL")
        await store.put(one(), a_vector(1))
        while not await store.near(*PLACE, a_vector(1), 3):
            pass
        assert store.counts()["errors"] == 0

    on(server, test)


@pytest.mark.parametrize("value", ["", "x", "\x01half", "{}"])
def test_what_is_half_written_or_anothers_is_a_miss_and_removed(server: RedisServer, value: str):
    async def test(shelf: RedisCache, store: CarefulStore) -> None:
        await store.put(one(), a_vector(1))
        await store.put(one("two"), a_vector(2))
        server.say("HSET", layout.ENTRY + KEY.hex(), layout.ANSWER, value)
        assert await store.drop(Selector(everything=True), dry_run=True) == 1
        assert KEY not in {answer.key for answer, _ in await store.near(*PLACE, a_vector(1), 3)}
        assert await store.get(KEY) is None
        assert server.say("EXISTS", layout.ENTRY + KEY.hex()) == b":0\r\n"
        assert await store.get(key_of("two")) is not None
        assert (await shelf.sums())[0] == 1

    on(server, test)


def test_a_name_that_is_of_another_kind_is_a_miss(server: RedisServer):
    async def test(shelf: RedisCache, store: CarefulStore) -> None:
        server.say("SET", layout.ENTRY + KEY.hex(), "somebody's")
        assert await store.get(KEY) is None
        assert store.counts()["errors"] == 1
        server.say("FLUSHALL")
        server.say("SET", layout.VALUE, "somebody's")
        await everything_misses(store)

    on(server, test)


def test_a_server_that_is_full_refuses_and_that_is_no_error():
    with redis_server("--maxmemory", "1", "--maxmemory-policy", "noeviction") as full:

        async def test(shelf: RedisCache, store: CarefulStore) -> None:
            await everything_misses(store)
            # Nobody is told of it but those who look at the counts.
            counts = store.counts()
            assert (counts["entries"], counts["hits"], counts["errors"]) == (0, 0, 2)

        on(full, test)


def test_a_password_is_asked_for_and_never_shown(caplog: pytest.LogCaptureFixture):
    with redis_server("--requirepass", "right") as guarded:

        async def wrong(shelf: RedisCache, store: CarefulStore) -> None:
            for _ in range(4):
                await everything_misses(store)

        async def right(shelf: RedisCache, store: CarefulStore) -> None:
            await store.put(one())
            assert await store.get(KEY) is not None

        on(guarded, wrong, password="guess")
        on(guarded, right, password="right")
    assert "guess" not in caplog.text


def test_a_call_that_is_given_up_leaves_no_answer_for_the_next(server: RedisServer):
    async def test(shelf: RedisCache, store: CarefulStore) -> None:
        for name in ("one", "two"):
            await shelf.put(one(name), b"")
        for _ in range(20):
            asking = [asyncio.ensure_future(shelf.get(KEY)) for _ in range(20)]
            await asyncio.sleep(0)
            for each in asking[::2]:
                each.cancel()
            answers = await asyncio.gather(*asking, return_exceptions=True)
            assert {answer.key for answer in answers if isinstance(answer, CachedAnswer)} <= {KEY}
            found = await asyncio.gather(*(shelf.get(key_of("two")) for _ in range(20)))
            assert {answer.key for answer in found if answer} == {key_of("two")}

    on(server, test)
