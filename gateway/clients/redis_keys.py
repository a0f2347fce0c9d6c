"""Virtual keys in Redis: a hash of what each key is, and the order in which they have changed.

All names share one hash tag, so that one script may touch them on a cluster too. Each change raises the revision;
readers ask for that alone, and then for what is newer than they know.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from typing import Any, TypeVar, cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.clients.redis_hints import RedisAccess
from gateway.core.errors import KeyChanged, StoreRejected, StoreUnavailable
from gateway.core.keys import MAX_KEYS, PEPPER_BYTES, KeyBatch, StoredKey

T = TypeVar("T")

_TAG = "{weighbridge:keys}"
_ALL, _CHANGED, _REVISION, _PEPPER, _EPOCH = (
    f"{_TAG}:{name}" for name in ("all", "changed", "revision", "pepper", "epoch")
)
TIMEOUT_S = 2.0
# So many may ask at once; the others wait for their turn.
LINES = 4
_PUT = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
local revision = 0
if known then revision = cjson.decode(known).revision end
if revision ~= tonumber(ARGV[2]) then return -1 end
if revision == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return -2 end
local number = redis.call('INCR', KEYS[3])
redis.call('SET', KEYS[4], ARGV[5], 'NX')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], number, ARGV[1])
return number
"""
_ENCODER = msgspec.json.Encoder()
_KEY = msgspec.json.Decoder(StoredKey)


class RedisKeys:
    """The keys of one Redis database, as :class:`gateway.plugin.keys.KeyStore`.

    Args:
        access: To the server.
    """

    def __init__(self, access: RedisAccess) -> None:
        self._redis: Any = Redis(
            **access.driver(),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # Whoever asks us comes back by itself.
            retry=Retry(NoBackoff(), 0),
            max_connections=LINES,
        )
        self._turns = asyncio.Semaphore(LINES)

    async def pepper(self) -> bytes:
        """Give the key under which digests are made."""
        drawing = self._redis.pipeline(transaction=True)
        drawing.set(_PEPPER, os.urandom(PEPPER_BYTES).hex(), nx=True)
        drawing.get(_PEPPER)
        _, written = await self._asked(drawing.execute())
        try:
            pepper = bytes.fromhex(cast("bytes", written).decode())
        except (UnicodeDecodeError, ValueError):
            pepper = b""
        if len(pepper) != PEPPER_BYTES:
            raise StoreRejected("What Redis holds as the key of all digests is none.")
        return pepper

    async def read(self, cursor: str) -> KeyBatch | None:
        """Give what has changed since a batch."""
        epoch, revision = await self._now()
        now = f"{epoch}:{revision}"
        if now == cursor:
            return None
        known, _, since = cursor.partition(":")
        if not epoch and known:
            # A server that has lost its data is no reason to let nobody in any more.
            raise StoreUnavailable("Redis has lost the keys that it had.")
        whole = known != epoch or not since or int(since) > revision
        if whole:
            written = list(cast("dict[bytes, bytes]", await self._asked(self._redis.hgetall(_ALL))).values())
        else:
            written = await self._since(int(since))
        return KeyBatch(cursor=now, keys=tuple(map(_decoded, written)), whole=whole)

    async def put(self, key: StoredKey, expected: int) -> None:
        """Keep a key."""
        answer = await self._asked(
            self._redis.eval(
                _PUT,
                4,
                *(_ALL, _CHANGED, _REVISION, _EPOCH),
                *(key.id, expected, _ENCODER.encode(key), MAX_KEYS, os.urandom(8).hex()),
            )
        )
        if answer == -1:
            raise KeyChanged("The key has been changed meanwhile.")
        if answer == -2:
            raise StoreRejected(f"There are {MAX_KEYS} keys already.")

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _now(self) -> tuple[str, int]:
        epoch, revision = cast("list[bytes | None]", await self._asked(self._redis.mget(_EPOCH, _REVISION)))
        return (epoch or b"").decode("ascii", "replace"), int(revision or 0)

    async def _since(self, revision: int) -> list[bytes]:
        # Whatever changes after the revision was read comes twice, and does no harm.
        names = cast("list[bytes]", await self._asked(self._redis.zrangebyscore(_CHANGED, f"({revision}", "+inf")))
        if not names:
            return []
        found = cast("list[bytes | None]", await self._asked(self._redis.hmget(_ALL, names)))
        return [each for each in found if each is not None]

    async def _asked(self, answer: Awaitable[T]) -> T:
        """Wait for the server, not for long; its own words may name what is not ours to show."""
        async with self._turns:
            try:
                async with asyncio.timeout(2 * TIMEOUT_S):
                    return await answer
            except (RedisError, OSError, TimeoutError) as error:
                raise StoreUnavailable(f"Redis does not answer ({type(error).__name__}).") from None


def _decoded(written: bytes) -> StoredKey:
    try:
        return _KEY.decode(written)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StoreRejected("What Redis holds as a key is none.") from None
