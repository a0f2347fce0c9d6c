"""Streams in Redis, as far as they are more than in any store; what all have alike: tests/cache/test_stores."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from gateway.clients.redis_relays import MOST_WANTED, RELAY, WANTED, RedisRelays
from tests.support.answers import key_of
from tests.support.redis_server import needs_redis, redis_server

pytestmark = needs_redis


def test_all_of_it_goes_by_itself_and_no_more_is_looked_at_than_may_be():
    async def main(port: int) -> None:
        client = Redis(host="127.0.0.1", port=port, protocol=2)
        relays = RedisRelays(client.execute_command)
        for number in range(MOST_WANTED + 5):
            await relays.want(number.to_bytes(32), 60.0)
        assert len(await relays.wanted()) == MOST_WANTED
        assert 50_000 < await client.pttl(WANTED) <= 60_000
        await relays.say(key_of("one"), [b"a"], 60.0, anew=True)
        await relays.say(key_of("one"), [b"b"], 30.0, anew=False)
        assert 20_000 < await client.pttl(RELAY + key_of("one").hex()) <= 30_000
        await client.aclose()

    with redis_server() as server:
        asyncio.run(main(server.port))
