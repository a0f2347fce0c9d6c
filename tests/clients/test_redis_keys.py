"""A real Redis that fails: what it says of its keys, and what it does not. The rest is the contract of all stores."""

from __future__ import annotations

import asyncio

import pytest

from gateway.clients.redis_keys import RedisAccess, RedisKeys
from gateway.core.errors import StoreRejected, StoreUnavailable
from tests.support.redis_server import RedisServer, needs_redis, redis_server
from tests.support.virtual_keys import changed, minted

pytestmark = [pytest.mark.integration, needs_redis]


def test_a_redis_that_is_away_or_stuck_or_has_lost_its_keys_says_so():
    async def test(server: RedisServer) -> None:
        store = RedisKeys(RedisAccess(host="127.0.0.1", port=server.port))
        key, _ = minted()
        await store.put(key, 0)
        batch = await store.read("")
        assert batch is not None
        server.hold()
        with pytest.raises(StoreUnavailable):
            await store.read(batch.cursor)
        server.go_on()
        server.say("FLUSHALL")
        with pytest.raises(StoreUnavailable, match="lost"):
            await store.read(batch.cursor)
        # Whoever begins anew there is believed.
        await store.put(key, 0)
        again = await store.read(batch.cursor)
        assert again is not None
        assert again.whole
        server.say("HSET", "{weighbridge:keys}:all", "x", "none")
        with pytest.raises(StoreRejected):
            await store.read("")
        server.say("SET", "{weighbridge:keys}:pepper", "none")
        with pytest.raises(StoreRejected):
            await store.pepper()
        server.stop()
        with pytest.raises(StoreUnavailable):
            await store.put(changed(key), 1)
        await store.close()

    with redis_server() as server:
        asyncio.run(test(server))
