"""Who asks for others: renewed while they do, and given back whatever becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.cache import leases
from gateway.cache.leases import Leases
from gateway.core.cached import CachedAnswer
from tests.support.answers import an_answer, key_of
from tests.support.clock import ManualClock

KEY = key_of("one")


class Held:
    """A store that says who asks."""

    def __init__(self) -> None:
        self.token = ""
        self.answer: CachedAnswer | None = None
        self.renewed = 0
        self.released: list[str] = []
        self.lasts_s = 0.0
        self.late = False
        self.asked, self.often, self.back = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def get(self, key: bytes) -> CachedAnswer | None:
        return self.answer

    async def lead(self, key: bytes, token: str, ttl_s: float) -> bool:
        free, self.lasts_s = not self.token, ttl_s
        self.token = self.token or token
        self.asked.set()
        if self.late:
            await asyncio.Event().wait()
        return free

    async def renew(self, key: bytes, token: str, ttl_s: float) -> None:
        assert token == self.token
        self.renewed += 1
        self.lasts_s = ttl_s
        if self.renewed == 3:
            self.often.set()

    async def release(self, key: bytes, token: str) -> None:
        self.released.append(token)
        if token == self.token:
            self.token = ""
        self.back.set()


async def ask(asked: Any, what: tuple[Any, ...], otherwise: None, limit_s: float) -> Any:
    """As a careful store does: who is late has nothing."""
    asking = asyncio.ensure_future(asked(*what))
    try:
        await asyncio.wait((asking,), timeout=limit_s)
        return asking.result() if asking.done() else otherwise
    finally:
        asking.cancel()


def run(test: Callable[[Held, Leases, ManualClock], Coroutine[Any, Any, None]], limit_s: float = 30.0) -> None:
    async def main() -> None:
        held, clock = Held(), ManualClock()
        made = Leases(held, ask, clock, limit_s)
        await test(held, made, clock)
        await made.close()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(main())


def test_it_is_renewed_as_long_as_its_call_runs_and_then_given_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases, "LEASE_S", 0.03)

    async def test(held: Held, made: Leases, clock: ManualClock) -> None:
        lease = await made.lead(KEY, 60.0)
        assert lease is not None
        assert held.lasts_s == 0.03
        token = held.token
        await held.often.wait()
        assert await made.lead(KEY, 60.0) is None
        await lease.release()
        await lease.release()
        assert held.released == [token]
        again = await made.lead(KEY, 60.0)
        assert again is not None
        await again.release()

    run(test)


def test_it_is_not_renewed_beyond_its_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases, "LEASE_S", 0.03)

    async def test(held: Held, made: Leases, clock: ManualClock) -> None:
        assert await made.lead(KEY, 0.02) is not None
        assert held.lasts_s == 0.02
        until_ns = clock.monotonic_ns() + 20_000_000
        assert await made.renew(KEY, held.token, until_ns)
        assert held.lasts_s == pytest.approx(0.02)
        clock.advance(0.02)
        renewed = held.renewed
        assert not await made.renew(KEY, held.token, until_ns)
        assert held.renewed == renewed

    run(test)


def test_who_leaves_while_it_is_asked_for_gives_it_back():
    async def test(held: Held, made: Leases, clock: ManualClock) -> None:
        held.late = True
        leading = asyncio.ensure_future(made.lead(KEY, 60.0))
        await held.asked.wait()
        assert held.token
        leading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leading
        await held.back.wait()
        assert held.token == ""

    run(test)


def test_who_is_not_told_in_time_asks_for_themselves_and_keeps_nobody_waiting():
    async def test(held: Held, made: Leases, clock: ManualClock) -> None:
        held.late = True
        lease = await made.lead(KEY, 60.0)
        assert lease is not None
        await held.back.wait()
        assert (held.token, len(held.released)) == ("", 1)
        await lease.release()
        assert len(held.released) == 1

    run(test, limit_s=0.01)


def test_who_comes_when_the_answer_is_there_does_not_lead():
    async def test(held: Held, made: Leases, clock: ManualClock) -> None:
        held.answer = an_answer("one")
        assert await made.lead(KEY, 60.0) is None
        await held.back.wait()
        assert held.token == ""

    run(test)


def test_what_is_another_s_is_not_given_back():
    async def test(held: Held, made: Leases, clock: ManualClock) -> None:
        held.token = "another"
        assert await made.lead(KEY, 60.0) is None
        assert held.released == []

    run(test)


def test_a_store_that_is_stuck_holds_up_nobody_for_long():
    async def test(held: Held, made: Leases, clock: ManualClock) -> None:
        lease = await made.lead(KEY, 60.0)
        assert lease is not None

        async def stuck(key: bytes, token: str) -> None:
            await asyncio.Event().wait()

        held.release = stuck
        await lease.release()

    run(test, limit_s=0.01)
