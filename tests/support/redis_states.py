"""The store of limits in a real Redis, as the suite for all stores sees it: its time moves only when a test says so."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

from gateway.accounting.shared_script import CALL, LEAVE, WORKER, with_time
from gateway.accounting.shared_state import SharedState
from gateway.clients.redis_line import RedisAccess
from gateway.clients.redis_link import RedisLink, Scripts
from gateway.core.limit_state import Amounts, Charge, Holding, Refusal
from gateway.core.state_counts import StateCounts
from tests.support.clock import ManualClock
from tests.support.redis_server import RedisServer

T = TypeVar("T")
_MANUAL = "local now = tonumber(redis.call('GET', 'now'))\n"
MANUAL_SCRIPTS = Scripts(with_time(CALL, _MANUAL), with_time(WORKER, _MANUAL), with_time(LEAVE, _MANUAL))
SCRIPTS = Scripts(with_time(CALL), with_time(WORKER), with_time(LEAVE))


@cache
def one_server() -> RedisServer:
    """A server for as long as this process runs."""
    server = RedisServer()
    server.start()
    atexit.register(server.stop)
    return server


class RedisStore:
    """Everything in it is gone when another one is made."""

    def __init__(self, ttl_s: float = 900.0) -> None:
        self.clock = ManualClock()
        self._loop = asyncio.new_event_loop()
        self._server = one_server()
        self._server.say("FLUSHALL")
        self._at = ""
        self._in_time()
        self._link, self._state = self._run(self._opened(ttl_s))

    def take(self, charges: tuple[Charge, ...], amounts: Amounts) -> Holding | Refusal:
        self._in_time()
        return self._run(self._state.take(charges, amounts))

    def extend(self, holding: Holding, tokens: int, nanousd: int) -> bool:
        self._in_time()
        told: asyncio.Future[bool] = self._loop.create_future()
        self._loop.call_soon(holding.extend, tokens, nanousd, told.set_result)
        return self._loop.run_until_complete(told)

    def settle(self, holding: Holding, tokens: int | None, nanousd: int | None) -> None:
        self._in_time()
        holding.settle(tokens, nanousd)
        self._run(self._settled())

    def void(self, holding: Holding) -> None:
        self._in_time()
        holding.void()
        self._run(self._settled())

    def close(self) -> None:
        self._run(self._link.close())
        self._loop.close()

    async def _opened(self, ttl_s: float) -> tuple[RedisLink, SharedState]:
        access = RedisAccess(host="127.0.0.1", port=self._server.port)
        link = RedisLink(access, MANUAL_SCRIPTS, "w", limit_s=60.0, sleep=asyncio.sleep, counts=StateCounts())
        assert await link.start()
        return link, SharedState(link, MANUAL_SCRIPTS, self.clock, otherwise="deny", lease_ttl_s=ttl_s)

    async def _settled(self) -> None:
        async with asyncio.timeout(60):
            while self._link.told().waiting:
                await asyncio.sleep(0)

    def _in_time(self) -> None:
        at = str(self.clock.unix_us())
        if at != self._at:
            self._at = at
            self._server.say("SET", "now", at)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)
