"""What is left of a coroutine, taken over by a task where it stands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.carried import Carried
from gateway.core.signal import Signal


def begun(work: Any) -> Any:
    """Run up to the first wait, and give what is waited for."""
    return work.send(None)


async def task_of(work: Any, waited: Any) -> asyncio.Task[None]:
    async def go_on() -> None:
        await Carried(work, waited, asyncio.get_running_loop())

    task = asyncio.get_running_loop().create_task(go_on())
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("early", [True, False])
def test_a_signal_is_waited_for_also_where_it_fires_before_the_task_has_begun(early: bool) -> None:
    async def test() -> None:
        seen: list[str] = []
        signal = Signal()

        async def work() -> None:
            await signal
            seen.append("signal")
            await asyncio.sleep(0)
            seen.append("turn")

        made = work()
        assert begun(made) is signal
        if early:
            signal.fire()
        task = await task_of(made, signal)
        signal.fire()
        await asyncio.wait_for(task, 20)
        assert seen == ["signal", "turn"]

    asyncio.run(test())


def test_a_future_is_waited_for_and_its_error_comes_where_it_is_awaited() -> None:
    async def test() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        seen: list[str] = []

        async def work() -> None:
            try:
                await future
            except ValueError as error:
                seen.append(str(error))

        made = work()
        task = await task_of(made, begun(made))
        future.set_exception(ValueError("no"))
        await asyncio.wait_for(task, 20)
        assert seen == ["no"]

    asyncio.run(test())
