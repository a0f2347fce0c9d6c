"""Streams that gateways pass on to each other through Redis while they run: a list each, and who is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from gateway.clients.redis_cache_scripts import ROOT

WANTED, RELAY = f"{ROOT}wanted", f"{ROOT}relay:"
# More are not looked at: who is not heard waits for the whole answer.
MOST_WANTED = 1_024
# KEYS: those wanted. ARGV: a key, for how many milliseconds.
_WANT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
"""
# KEYS: those wanted. ARGV: how many at most.
_WANTED = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, ARGV[1])
"""
# KEYS: the list. ARGV: whether it begins anew, how long it is kept, parts.
_SAY = """
if ARGV[1] == '1' then redis.call('DEL', KEYS[1]) end
for at = 3, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[at]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
# KEYS: the list.
_LIES = "return {redis.call('LINDEX', KEYS[1], 0) or '', redis.call('LLEN', KEYS[1])}"
Run = Callable[..., Awaitable[Any]]


class RedisRelays:
    """A :class:`gateway.cache.relays.Relays`.

    Args:
        run: Runs one command there; says itself what it raises when that fails.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    async def want(self, key: bytes, for_s: float) -> None:
        """Ask whoever leads a stream to say it."""
        await self._run("EVAL", _WANT, 1, WANTED, key, _ms(for_s))

    async def wanted(self) -> set[bytes]:
        """Give what is asked for."""
        return set(cast("list[bytes]", await self._run("EVAL", _WANTED, 1, WANTED, MOST_WANTED)))

    async def say(self, key: bytes, parts: list[bytes], for_s: float, *, anew: bool) -> bool:
        """Leave the next parts."""
        await self._run("EVAL", _SAY, 1, RELAY + key.hex(), int(anew), _ms(for_s), *parts)
        return True

    async def lies(self, key: bytes) -> tuple[bytes, int]:
        """Give the first part, and how many there are."""
        first, count = await self._run("EVAL", _LIES, 1, RELAY + key.hex())
        return first, count

    async def said(self, key: bytes, after: int) -> list[bytes]:
        """Give the parts behind the first so many."""
        return cast("list[bytes]", await self._run("LRANGE", RELAY + key.hex(), after, -1))


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
