"""What a reload has replaced is closed once, after its time or at the end."""

from __future__ import annotations

import asyncio

from gateway.app.retiring import Retiring


class Engine:
    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


def test_it_is_closed_after_its_time() -> None:
    async def main() -> None:
        over = asyncio.Event()
        asked: list[float] = []

        async def sleep(seconds: float) -> None:
            asked.append(seconds)
            await over.wait()

        retiring, engine = Retiring(sleep), Engine()
        retiring.retire(engine, 30.0)
        await asyncio.sleep(0)
        assert (asked, engine.closed) == ([30.0], 0)
        over.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert engine.closed == 1
        await retiring.close()
        assert engine.closed == 1

    asyncio.run(main())


def test_at_the_end_nothing_is_waited_for() -> None:
    async def main() -> None:
        retiring, engines = Retiring(), [Engine(), Engine()]
        for engine in engines:
            retiring.retire(engine, 3600.0)
        await retiring.close()
        assert [engine.closed for engine in engines] == [1, 1]

    asyncio.run(main())
