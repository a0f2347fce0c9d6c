"""Limits in a real Redis, beside what holds for every store: several workers at once, and a store that is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import cast

import msgspec
import pytest
from redis import Redis

from gateway.accounting.shared_state import OnStoreError, SharedState
from gateway.clients.clock import SystemClock
from gateway.clients.redis_line import RedisAccess
from gateway.clients.redis_link import LATE_IN_A_ROW, RedisLink
from gateway.core.errors import StoreUnavailable
from gateway.core.limit_state import Charge, Holding, Quantity, Refusal
from gateway.core.limits import Period
from gateway.core.state_counts import StateCounts
from tests.support.limit_states import charge
from tests.support.redis_server import RedisServer, needs_redis, redis_server
from tests.support.redis_states import SCRIPTS

pytestmark = [pytest.mark.integration, needs_redis]
CALLS = charge(Quantity.REQUESTS, 100, 86_400.0)
MONEY = charge(Quantity.NANOUSD, 1000, Period(calendar="month"))
SEATS = charge(Quantity.SEATS, 4, None)
ALL = (CALLS, MONEY, SEATS)


class Worker:
    def __init__(self, server: RedisServer, name: str, otherwise: OnStoreError, limit_s: float) -> None:
        access = RedisAccess(host="127.0.0.1", port=server.port)
        self.link = RedisLink(access, SCRIPTS, name, limit_s=limit_s, sleep=asyncio.sleep, counts=StateCounts())
        self.state = SharedState(self.link, SCRIPTS, SystemClock(), otherwise=otherwise)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        assert await self.link.start()
        self._running = asyncio.create_task(self.link.run())

    async def stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await self.link.close()

    async def told(self) -> None:
        """Wait until the store has heard all."""
        async with asyncio.timeout(60):
            while self.link.told().waiting or not self.link.ready:
                await asyncio.sleep(0.002)


def on(
    server: RedisServer,
    test: Callable[..., Awaitable[None]],
    workers: int = 1,
    *,
    otherwise: OnStoreError = "deny",
    limit_s: float = 30.0,
) -> None:
    async def main() -> None:
        all_ = [Worker(server, f"w{number}", otherwise, limit_s) for number in range(workers)]
        for one in all_:
            await one.start()
        await test(*all_)
        await asyncio.gather(*(one.stop() for one in all_))

    asyncio.run(main())


async def silence(server: RedisServer, worker: Worker) -> None:
    """The store answers no more, and the worker knows."""
    server.hold()
    while worker.link.ready:
        try:
            held = await worker.state.take((charge(Quantity.REQUESTS, 10**6, whose="silence"),), (1, 0, 0))
        except StoreUnavailable:
            continue
        if not isinstance(held, Refusal):
            held.void()


async def spent(worker: Worker, one: Charge = MONEY) -> int:
    """What the store has counted."""
    # Of money nobody is told; the same counter taken for one of tokens tells.
    one = msgspec.structs.replace(one, limit=10**6, quantity=Quantity.TOKENS)
    held = await worker.state.take((one,), (0, 0, 0))
    assert not isinstance(held, Refusal)
    (standing,) = held.standings()
    held.settle(0, 0)
    return one.limit - standing.left


def test_two_workers_admit_exactly_what_one_would():
    async def test(one: Worker, two: Worker) -> None:
        async def calls(worker: Worker, number: int) -> int:
            passed = 0
            for _ in range(number):
                held = await worker.state.take((CALLS, MONEY), (1, 0, 9))
                if not isinstance(held, Refusal):
                    held.settle(None, 7)
                    passed += 1
            return passed

        passed = await asyncio.gather(*(calls(worker, 20) for worker in (one, two) for _ in range(5)))
        assert sum(passed) == CALLS.limit
        await asyncio.gather(one.told(), two.told())
        assert await spent(one) == await spent(two) == 7 * CALLS.limit
        # Whoever beats next knows of both.
        async with asyncio.timeout(60):
            while (one.link.counts.workers, two.link.counts.workers) != (2, 2):
                await asyncio.sleep(0.01)

    with redis_server() as server:
        on(server, test, 2)


def test_seats_are_never_more_than_there_are_and_none_is_left_over():
    async def test(one: Worker, two: Worker) -> None:
        taken, most = 0, 0

        async def calls(worker: Worker) -> None:
            nonlocal taken, most
            for _ in range(20):
                held = await worker.state.take((SEATS,), (1, 0, 0))
                if not isinstance(held, Refusal):
                    taken += 1
                    most = max(most, taken)
                    await asyncio.sleep(0)
                    taken -= 1
                    held.settle(None, None)

        await asyncio.gather(*(calls(worker) for worker in (one, two) for _ in range(5)))
        await asyncio.gather(one.told(), two.told())
        assert 0 < most <= SEATS.limit
        with Redis(port=server.port) as redis:
            assert redis.keys("{wb}:c:*") == []

    with redis_server() as server:
        on(server, test, 2)


def test_a_client_that_leaves_while_it_waits_has_taken_nothing():
    async def test(worker: Worker) -> None:
        server.hold()
        waiting = asyncio.create_task(worker.state.take(ALL, (1, 0, 300)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        server.go_on()
        await worker.told()
        assert await spent(worker) == 0
        assert [await worker.state.take((SEATS,), (1, 0, 0)) for _ in range(5)][-1].__class__ is Refusal
        assert await spent(worker, CALLS) == 0

    with redis_server() as server:
        on(server, test)


@pytest.mark.parametrize("otherwise", ["deny", "allow", "local"])
def test_while_the_store_is_silent_calls_go_as_configured_and_what_they_spent_is_added_after(otherwise: OnStoreError):
    async def test(worker: Worker) -> None:
        state = worker.state
        first = await state.take(ALL, (1, 0, 600))
        assert not isinstance(first, Refusal)
        first.settle(None, 500)
        await worker.told()
        before = await state.take(ALL, (1, 0, 100))
        assert not isinstance(before, Refusal)
        await silence(server, worker)
        held: list[Holding] = []
        for _ in range(12):
            if otherwise == "deny":
                with pytest.raises(StoreUnavailable):
                    await state.take(ALL, (1, 0, 100))
                continue
            taken = await state.take(ALL, (1, 0, 100))
            if not isinstance(taken, Refusal):
                held.append(taken)
        # Of the four hundred that were left four calls pass, and four at once.
        assert len(held) == {"deny": 0, "allow": 12, "local": 4}[otherwise]
        assert worker.link.counts.without >= LATE_IN_A_ROW
        extended: list[bool] = []
        before.extend(0, 1, extended.append)
        for one in held:
            one.settle(None, 90)
        before.settle(None, 20)
        server.go_on()
        await worker.told()
        assert await spent(worker) == 520 + 90 * len(held)
        assert await spent(worker, CALLS) == 2 + len(held)
        assert extended == [otherwise == "allow"]
        assert not isinstance(await state.take((SEATS,), (1, 0, 0)), Refusal)

    with redis_server() as server:
        on(server, test, otherwise=otherwise, limit_s=0.05)


def test_a_late_answer_takes_nothing_twice():
    async def test(worker: Worker) -> None:
        state = worker.state
        server.hold()
        # Nobody waits for the answer, which says later that it was counted; the call is counted once.
        held = await state.take(ALL, (1, 0, 900))
        assert not isinstance(held, Refusal)
        server.go_on()
        await worker.told()
        held.settle(None, 10)
        await worker.told()
        assert (await spent(worker), await spent(worker, CALLS)) == (10, 1)

    with redis_server() as server:
        on(server, test, otherwise="allow", limit_s=0.05)


def test_a_period_that_is_over_has_another_counter():
    month = datetime.now(UTC).strftime("%Y-%m-01T00:00+00:00")
    began = int(datetime.fromisoformat(month).timestamp())

    async def test(worker: Worker) -> None:
        assert not isinstance(await worker.state.take((MONEY,), (1, 0, 1)), Refusal)
        with Redis(port=server.port) as redis:
            (key,) = cast("list[bytes]", redis.keys("{wb}:c:*"))
            assert key == f"{{wb}}:c:{MONEY.name}:{began}".encode()
            assert redis.ttl(key) > 3000

    with redis_server() as server:
        on(server, test)
