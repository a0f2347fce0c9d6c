"""One contract for all places where virtual keys are kept: a file and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.clients.key_file import KeyFile
from gateway.clients.redis_keys import RedisAccess, RedisKeys
from gateway.core.errors import KeyChanged
from gateway.core.keys import StoredKey
from gateway.core.limits import Budget, Period
from gateway.plugin.keys import KeyStore
from tests.support.redis_server import needs_redis, redis_server
from tests.support.virtual_keys import changed, minted

pytestmark = pytest.mark.integration
Open = Callable[[], KeyStore]


@pytest.fixture(params=["file", pytest.param("redis", marks=needs_redis)])
def opened(request: pytest.FixtureRequest, tmp_path: Path):
    """Opens the same store as often as a test likes: each time as another process would."""
    if request.param == "file":
        yield lambda: KeyFile(tmp_path)
        return
    with redis_server() as server:
        yield lambda: RedisKeys(RedisAccess(host="127.0.0.1", port=server.port))


@asynccontextmanager
async def several(opened: Open, count: int):
    """Several openings of a store, closed at the end."""
    stores = [opened() for _ in range(count)]
    try:
        yield stores
    finally:
        for store in stores:
            await store.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


async def all_of(store: KeyStore) -> dict[str, StoredKey]:
    batch = await store.read("")
    return {} if batch is None else {key.id: key for key in batch.keys}


def test_an_empty_store_has_no_keys_and_nothing_changes_in_it(opened: Open):
    async def test() -> None:
        async with several(opened, 1) as (store,):
            batch = await store.read("")
            assert batch is not None
            assert (batch.keys, batch.whole) == ((), True)
            assert await store.read(batch.cursor) is None

    run(test())


def test_what_is_put_is_read_by_others_whole_and_then_piece_by_piece(opened: Open):
    async def test() -> None:
        async with several(opened, 3) as (writer, reader, late):
            one, _ = minted(
                name='a "key"',
                team="ä",
                tags={"k": "v=1"},
                models=("gpt-*",),
                settable=(),
                budget=Budget(nanousd=5, per=Period(calendar="month", zone="Europe/Berlin")),
                expires_s=2_000_000_000,
            )
            other, _ = minted()
            await writer.put(one, 0)
            first = await reader.read("")
            assert first is not None
            assert first.keys == (one,)
            await writer.put(other, 0)
            woken = changed(one, disabled=True)
            await writer.put(woken, 1)
            second = await reader.read(first.cursor)
            assert second is not None
            assert not second.whole
            assert {key.id: key for key in second.keys} == {other.id: other, one.id: woken}
            assert await reader.read(second.cursor) is None
            assert await all_of(late) == {one.id: woken, other.id: other}

    run(test())


def test_of_two_who_change_a_key_at_once_one_is_told_so(opened: Open):
    async def test() -> None:
        async with several(opened, 2) as (one, other):
            key, _ = minted()
            await one.put(key, 0)
            with pytest.raises(KeyChanged):
                await other.put(key, 0)
            await other.put(changed(key, team="b"), 1)
            with pytest.raises(KeyChanged):
                await one.put(changed(key, team="c"), 1)
            with pytest.raises(KeyChanged):
                await one.put(changed(minted()[0]), 1)
            assert (await all_of(one))[key.id].team == "b"

    run(test())


def test_many_who_write_at_once_lose_nothing(opened: Open):
    async def test() -> None:
        async with several(opened, 5) as stores:
            keys = [minted()[0] for _ in range(40)]
            await asyncio.gather(*(stores[at % 4].put(key, 0) for at, key in enumerate(keys)))
            assert await all_of(stores[4]) == {key.id: key for key in keys}

    run(test())


def test_all_agree_on_what_digests_are_made_with(opened: Open):
    async def test() -> None:
        async with several(opened, 5) as stores:
            peppers = await asyncio.gather(*(store.pepper() for store in stores[:4]))
            assert len(set(peppers)) == 1
            assert len(peppers[0]) == 32
            assert await stores[4].pepper() == peppers[0]

    run(test())
