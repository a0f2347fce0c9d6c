"""The right to ask for an answer that others wait for, as it is had in a store that may be late, or lose who asks.

It lasts a little while at a time, and is renewed while its call runs: of a worker that dies it does not last. Who
leaves while it is being asked for, or is not told in time that they have it, gives it back: nobody waits for nobody.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, Protocol

from gateway.clients.clock import Clock
from gateway.core.cached import CachedAnswer, Lease

LEASE_S = 15.0
# Nobody waits for these; but a store that is stuck must be noticed.
BESIDE_S = 2.0


class Shelf(Protocol):
    """The store, as far as it says who asks; all of it may raise :class:`gateway.core.errors.StoreUnavailable`."""

    async def get(self, key: bytes) -> CachedAnswer | None:
        """Give an answer that has not expired."""
        ...

    async def lead(self, key: bytes, token: str, ttl_s: float) -> bool:
        """Be the one who asks."""
        ...

    async def renew(self, key: bytes, token: str, ttl_s: float) -> None:
        """Be it for so long from now on, where one still is."""
        ...

    async def release(self, key: bytes, token: str) -> None:
        """Let others ask."""
        ...


class Ask(Protocol):
    """Asks a store that may fail or be late, and gives something else then."""

    async def __call__(self, ask: Any, what: tuple[Any, ...], otherwise: None, limit_s: float, /) -> Any:
        """Ask, for so long at most."""
        ...


class Leases:
    """Those of one worker.

    Args:
        shelf: The store.
        ask: Asks it.
        clock: Tells the time.
        limit_s: How long a call waits for it.
    """

    def __init__(self, shelf: Shelf, ask: Ask, clock: Clock, limit_s: float) -> None:
        self._shelf = shelf
        self._ask = ask
        self._clock = clock
        self._limit_s = limit_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def lead(self, key: bytes, ttl_s: float) -> Lease | None:
        """Be the one who asks, for so long at most; ``None``: somebody else does, or has."""
        token, given = os.urandom(8).hex(), False
        until_ns = self._clock.monotonic_ns() + round(ttl_s * 1e9)
        try:
            leads = await self._ask(self._shelf.lead, (key, token, min(ttl_s, LEASE_S)), None, self._limit_s)
            if leads is False:
                given = True
                return None
            if leads and await self._ask(self._shelf.get, (key,), None, self._limit_s) is not None:
                # Somebody has put the answer since this one was not found, and has let go: whoever waits is given it.
                return None
            given = bool(leads)
            return _Lease(self, key, token if leads else "", until_ns)
        finally:
            if not given:
                self._let_go(key, token)

    async def renew(self, key: bytes, token: str, until_ns: int) -> bool:
        """Lead a little longer; false where it is over."""
        left_s = (until_ns - self._clock.monotonic_ns()) / 1e9
        if left_s > 0:
            await self._ask(self._shelf.renew, (key, token, min(left_s, LEASE_S)), None, BESIDE_S)
        return left_s > 0

    async def release(self, key: bytes, token: str) -> None:
        """Let others ask; what the store does not do at once it does while nobody waits."""
        await asyncio.wait((self._let_go(key, token),), timeout=self._limit_s)

    def beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that no call waits for."""
        task = asyncio.get_running_loop().create_task(work, name="cache-lease")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Let what was begun come to its end, and renew nothing any more."""
        for limit_s in (self._limit_s, None):
            if tasks := tuple(self._tasks):
                await asyncio.wait(tasks, timeout=limit_s)
            for task in self._tasks:
                task.cancel()

    def _let_go(self, key: bytes, token: str) -> asyncio.Task[None]:
        return self.beside(self._ask(self._shelf.release, (key, token), None, BESIDE_S))


class _Lease:
    def __init__(self, leases: Leases, key: bytes, token: str, until_ns: int) -> None:
        self._leases = leases
        self._key = key
        self._token = token
        self._until_ns = until_ns
        self._timer: asyncio.TimerHandle | None = None
        if token:
            self._wait()

    async def release(self) -> None:
        """Let others ask."""
        token, self._token = self._token, ""
        if self._timer is not None:
            self._timer.cancel()
        if token:
            await self._leases.release(self._key, token)

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LEASE_S / 3, lambda: self._leases.beside(self._renew()))

    async def _renew(self) -> None:
        if self._token and await self._leases.renew(self._key, self._token, self._until_ns) and self._token:
            self._wait()
