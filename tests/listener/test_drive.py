from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any

import pytest

from gateway.core.signal import Signal
from gateway.listener.drive import Drive


class Case:
    """A drive, and the order in which things happened."""

    def __init__(self, work: CoroutineType[Any, Any, None]) -> None:
        self.ended: list[Drive] = []
        self.drive = Drive(work, asyncio.get_running_loop(), self.ended.append)


def run(test: Callable[[list[str]], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test([]))


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_work_that_waits_for_nothing_is_done_when_start_returns():
    async def test(seen: list[str]) -> None:
        async def work() -> None:
            seen.append("ran")

        case = Case(work())
        case.drive.start()
        assert (seen, case.ended, case.drive.ended) == (["ran"], [case.drive], True)
        await asyncio.wait_for(case.drive.wait(), 20)

    run(test)


def test_work_that_waits_for_signals_goes_on_inside_the_call_that_fires_and_needs_no_task():
    async def test(seen: list[str]) -> None:
        first, second = Signal(), Signal()

        async def work() -> None:
            assert asyncio.current_task() is not None
            await first
            seen.append("one")
            await second
            seen.append("two")

        case = Case(work())
        case.drive.start()
        assert len(asyncio.all_tasks()) == 1
        first.fire()
        assert (seen, case.drive.ended) == (["one"], False)
        second.fire()
        assert (seen, case.drive.ended) == (["one", "two"], True)
        assert case.ended == [case.drive]
        assert len(asyncio.all_tasks()) == 1

    run(test)


def test_any_other_wait_makes_it_a_task_that_waits_for_signals_all_the_same():
    async def test(seen: list[str]) -> None:
        signal, late = Signal(), Signal()

        async def work() -> None:
            await signal
            await asyncio.sleep(0.001)
            seen.append("slept")
            async with asyncio.timeout(60):
                await late
            seen.append("late")
            await asyncio.sleep(0)

        case = Case(work())
        case.drive.start()
        signal.fire()
        while not seen:
            await asyncio.sleep(0.001)
        await turns()
        assert not case.drive.ended
        late.fire()
        await asyncio.wait_for(case.drive.wait(), 20)
        assert (seen, case.ended) == (["slept", "late"], [case.drive])

    run(test)


def test_a_signal_that_fired_while_a_task_was_elsewhere_is_not_lost():
    async def test(seen: list[str]) -> None:
        signal = Signal()

        async def work() -> None:
            await asyncio.sleep(0)
            await signal
            seen.append("done")

        case = Case(work())
        case.drive.start()
        signal.fire()
        await asyncio.wait_for(case.drive.wait(), 20)
        assert seen == ["done"]

    run(test)


@pytest.mark.parametrize("sleeping", [False, True], ids=["at a signal", "in a task"])
def test_cancelling_stops_the_work_where_it_waits_once(sleeping: bool):
    async def test(seen: list[str]) -> None:
        signal = Signal()

        async def work() -> None:
            try:
                await (asyncio.sleep(10) if sleeping else signal)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        case = Case(work())
        case.drive.start()
        await turns(1)
        case.drive.cancel()
        case.drive.cancel()
        await asyncio.wait_for(case.drive.wait(), 20)
        case.drive.cancel()
        signal.fire()
        assert (seen, case.ended) == (["cancelled"], [case.drive])

    run(test)


def test_work_that_has_something_to_finish_after_a_cancellation_finishes_it():
    async def test(seen: list[str]) -> None:
        signal = Signal()

        async def work() -> None:
            try:
                await signal
            except asyncio.CancelledError:
                await asyncio.sleep(0.001)
                seen.append("tidied")
                raise

        case = Case(work())
        case.drive.start()
        case.drive.cancel()
        assert not case.drive.ended
        await asyncio.wait_for(case.drive.wait(), 20)
        assert (seen, case.ended) == (["tidied"], [case.drive])

    run(test)


def test_an_error_of_a_wait_reaches_the_work():
    async def test(seen: list[str]) -> None:
        async def work() -> None:
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_exception, ValueError("x"))
            try:
                await future
            except ValueError:
                seen.append("value error")

        case = Case(work())
        case.drive.start()
        await asyncio.wait_for(case.drive.wait(), 20)
        assert seen == ["value error"]

    run(test)


def test_a_waiter_that_gives_up_does_not_stop_the_work_and_others_go_on_waiting():
    async def test(seen: list[str]) -> None:
        signal = Signal()

        async def work() -> None:
            await signal
            seen.append("done")

        case = Case(work())
        case.drive.start()
        waits = [asyncio.ensure_future(case.drive.wait()) for _ in range(3)]
        await turns()
        waits[0].cancel()
        await turns()
        assert not case.drive.ended
        signal.fire()
        await asyncio.wait_for(asyncio.gather(*waits[1:]), 20)
        assert seen == ["done"]
        assert waits[0].cancelled()

    run(test)
