"""What a server can do is found out and said once; an index that is another's is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from redis.asyncio import Redis

from gateway.clients.redis_cache_scripts import ENTRY
from gateway.clients.redis_search import RedisSearch
from tests.support.answers import DIMENSIONS, a_vector
from tests.support.redis_server import RedisServer, needs_redis, needs_search, redis_server, search_server

pytestmark = [pytest.mark.integration, needs_redis, needs_search]
Test = Callable[[RedisSearch, Redis], Awaitable[None]]


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with search_server() as server:
        yield server


def on(server: RedisServer, test: Test, database: int = 0) -> None:
    async def main() -> None:
        client = Redis(host="127.0.0.1", port=server.port, db=database, protocol=2)
        try:
            await test(RedisSearch(client.execute_command), client)
        finally:
            await client.aclose()

    server.say("FLUSHALL")
    asyncio.run(main())


def test_an_index_is_made_once_and_found_again(shared: RedisServer):
    async def test(search: RedisSearch, client: Redis) -> None:
        await search.probe()
        assert await search.have(DIMENSIONS)
        again = RedisSearch(client.execute_command)
        assert await again.have(DIMENSIONS)
        await client.hset(f"{ENTRY}x", mapping={"n": b"\xff".hex(), "v": a_vector(1), "a": b"one"})
        ((packed, near),) = await again.near(b"\xff", a_vector(1), 3)
        assert (packed, round(near, 2)) == (b"one", 1.0)
        assert await again.near(b"\xfe", a_vector(1), 3) == []
        assert (again.able, again.note) == (True, "")

    on(shared, test)


@pytest.mark.parametrize("kind", ["dimensions", "fields", "prefix"])
def test_an_index_of_another_kind_is_left_alone_and_said_once(
    shared: RedisServer, kind: str, caplog: pytest.LogCaptureFixture
):
    name = f"weighbridge-cache-1-{DIMENSIONS}"
    vector = ["v", "VECTOR", "HNSW", 6, "TYPE", "FLOAT16", "DIM", 7, "DISTANCE_METRIC", "COSINE"]
    if kind == "prefix":
        vector[7] = DIMENSIONS
    schema = ["t", "TEXT"] if kind == "fields" else ["n", "TAG", *vector]

    async def test(search: RedisSearch, client: Redis) -> None:
        prefix = "other:" if kind == "prefix" else ENTRY
        await client.execute_command("FT.CREATE", name, "ON", "HASH", "PREFIX", 1, prefix, "SCHEMA", *schema)
        for _ in range(3):
            assert await search.near(b"\xff", a_vector(1), 3) == []
            assert not await search.have(DIMENSIONS)
        assert not search.able
        assert name in search.note
        assert await client.execute_command("FT._LIST") == [name.encode()]

    on(shared, test)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_other_databases_have_no_index(shared: RedisServer):
    async def test(search: RedisSearch, client: Redis) -> None:
        await search.probe()
        assert not await search.have(DIMENSIONS)
        assert "database 0" in search.note

    on(shared, test, database=1)


def test_a_plain_server_is_known_by_asking_and_by_trying(caplog: pytest.LogCaptureFixture):
    async def probing(search: RedisSearch, client: Redis) -> None:
        await search.probe()
        await search.probe()
        assert not search.able
        assert "no RediSearch" in search.note

    async def trying(search: RedisSearch, client: Redis) -> None:
        assert await search.near(b"\xff", a_vector(1), 3) == []
        assert "no RediSearch" in search.note

    with redis_server() as plain:
        on(plain, probing)
        on(plain, trying)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
