"""Work that goes on without who ran it, whatever it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.core.call import Call
from gateway.core.errors import ClientGone, Draining, GatewayError
from gateway.core.signal import Signal
from gateway.listener.drive import Drive
from gateway.outliving import Leaders
from gateway.wire import passthrough
from tests.support.incoming import incoming
from tests.support.sinks import ListReply

KEY = b"k" * 32


class Ledger:
    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    def release(self, call: Call) -> None:
        self.seen.append("released")


class Journal:
    def record(self, call: Call) -> None:
        """Nothing looks at it."""


class Rooms:
    """The pipeline, as far as a call without a client needs it."""

    def __init__(self) -> None:
        self.journal: Any = Journal()
        self.seen: list[Any] = []
        self.ledger: Any = Ledger(self.seen)
        self.endings: set[asyncio.Task[None]] = set()

    async def fail(self, call: Call, error: GatewayError) -> None:
        self.seen.append(type(error))


class Case:
    """A call that does some work, run as the listener runs it."""

    def __init__(self, work: Callable[[list[Any]], Coroutine[Any, Any, None]]) -> None:
        self.rooms, self.leaders = Rooms(), Leaders()
        self.call = Call(incoming(), ListReply(), None, passthrough.DIALECT)
        self.drive = Drive(self._run(work), asyncio.get_running_loop(), lambda _: None)
        self.drive.start()

    async def _run(self, work: Callable[[list[Any]], Coroutine[Any, Any, None]]) -> None:
        made: Any = work(self.rooms.seen)
        try:
            await self.leaders.lead(KEY, self.rooms, self.call, made)
        except asyncio.CancelledError:
            self.rooms.seen.append("left")
            raise

    async def ended(self) -> list[Any]:
        """Wait for what goes on, and give what happened."""
        while self.rooms.endings:
            await asyncio.wait(self.rooms.endings, timeout=20)
        return self.rooms.seen


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def a_signal() -> tuple[Any, Callable[[], None]]:
    signal = Signal()
    return signal, signal.fire


def a_future() -> tuple[Any, Callable[[], None]]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    return future, lambda: None if future.done() else future.set_result(None)


def a_task() -> tuple[Any, Callable[[], None]]:
    go = asyncio.Event()
    return asyncio.get_running_loop().create_task(go.wait()), go.set


@pytest.mark.parametrize("made", [a_signal, a_future, a_task])
@pytest.mark.parametrize("waits", [True, False])
def test_work_outlives_its_runner_where_somebody_waits(made: Any, waits: bool) -> None:
    async def test() -> None:
        first, go = made()

        async def work(seen: list[Any]) -> None:
            try:
                await first
                seen.append("one")
                await asyncio.sleep(0)
                seen.append("two")
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        case = Case(work)
        await turns()
        assert not case.drive.ended
        if not waits:
            case.drive.cancel()
            await turns()
            go()
            assert await case.ended() == ["cancelled", "left"]
            # What it waited for is not waited for by anybody any more.
            assert isinstance(first, Signal) or first.cancelled()
            return
        with case.leaders.waiting(KEY):
            case.drive.cancel()
            await turns()
            assert (case.drive.ended, case.call.handed_on, case.call.left) == (True, True, True)
            go()
            assert await case.ended() == ["left", "one", "two", "released"]

    asyncio.run(test())


def test_work_that_runs_to_its_end_is_not_touched() -> None:
    async def test() -> None:
        future, go = a_future()

        async def work(seen: list[Any]) -> None:
            seen.append(await future)

        case = Case(work)
        with case.leaders.waiting(KEY):
            go()
            await asyncio.wait_for(case.drive.wait(), 20)
        case.leaders.over(KEY, case.call)
        assert (await case.ended(), case.call.left) == ([None], False)

    asyncio.run(test())


@pytest.mark.parametrize("made", [a_signal, a_future])
def test_work_ends_with_the_last_who_waits(made: Any) -> None:
    async def test() -> None:
        first, _ = made()

        async def work(seen: list[Any]) -> None:
            await first

        case = Case(work)
        await turns()
        with case.leaders.waiting(KEY):
            with case.leaders.waiting(KEY):
                case.drive.cancel()
                await turns()
            await turns()
            assert case.rooms.endings
        assert await case.ended() == ["left", ClientGone, "released"]

    asyncio.run(test())


def test_what_fails_alone_is_ended_as_any_call() -> None:
    async def test() -> None:
        first, go = a_signal()

        async def work(seen: list[Any]) -> None:
            await first
            raise Draining

        case = Case(work)
        with case.leaders.waiting(KEY):
            case.drive.cancel()
            await turns()
            go()
            assert await case.ended() == ["left", Draining, "released"]

    asyncio.run(test())


def test_nothing_goes_on_for_anybody_when_the_gateway_is_what_leaves() -> None:
    async def test() -> None:
        first, _ = a_signal()

        async def work(seen: list[Any]) -> None:
            await first

        case = Case(work)
        with case.leaders.waiting(KEY):
            case.drive.cancel(Draining())
            assert (await case.ended(), case.drive.ended) == (["left"], True)

    asyncio.run(test())


def test_who_waits_for_a_key_that_nobody_leads_keeps_nobody() -> None:
    leaders = Leaders()
    with leaders.waiting(KEY):
        pass
