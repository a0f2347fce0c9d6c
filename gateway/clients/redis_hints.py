"""Hints in Redis: one short-lived key for each deployment that a gateway leaves alone.

The key lives for as long as the gateway does so; nobody need take it back, and no clocks are compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.clients.redis_line import RedisAccess
from gateway.core.errors import StoreUnavailable
from gateway.core.hint import Hint

T = TypeVar("T")

PREFIX = "weighbridge:open:"
# No call waits for this; but a server that is stuck must be noticed.
TIMEOUT_S = 1.0
MAX_TELLER_CHARS = 64


class RedisHints:
    """Tells and asks. Connects when it is first used, and again after a failure.

    Args:
        access: To the server.
    """

    def __init__(self, access: RedisAccess) -> None:
        self._redis = Redis(
            **access.driver(),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # Whoever asks us comes back by itself.
            retry=Retry(NoBackoff(), 0),
            max_connections=2,
        )

    async def exchange(self, news: Sequence[Hint], names: Sequence[str]) -> list[Hint]:
        """Tell hints, and ask for those of some deployments, own ones among them.

        Raises:
            StoreUnavailable: The server did not answer in time, or refused.
        """
        telling = self._redis.pipeline(transaction=False)
        for hint in news:
            telling.set(PREFIX + hint.name, hint.teller, px=max(1, round(hint.for_s * 1000)))
        if names:
            telling.mget([PREFIX + name for name in names])
        answers = await _asked(telling.execute())
        if not names:
            return []
        tellers = cast("list[bytes | None]", answers[-1])
        found = [(name, teller) for name, teller in zip(names, tellers, strict=True) if teller is not None]
        if not found:
            return []
        asking = self._redis.pipeline(transaction=False)
        for name, _ in found:
            asking.pttl(PREFIX + name)
        left = cast("list[int]", await _asked(asking.execute()))
        # One that is gone by now, or that somebody has left there for good, has none or less than none left.
        return [
            Hint(name, left_ms / 1000, teller[:MAX_TELLER_CHARS].decode("utf-8", "replace"))
            for (name, teller), left_ms in zip(found, left, strict=True)
            if left_ms > 0
        ]

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


async def _asked(answer: Awaitable[T]) -> T:
    """Wait for the server, not for long; its own words may name what is not ours to show."""
    try:
        async with asyncio.timeout(2 * TIMEOUT_S):
            return await answer
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"Redis does not answer ({type(error).__name__}).") from None
