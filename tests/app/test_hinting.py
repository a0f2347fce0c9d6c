"""A worker exchanges hints beside its calls; a store that is away is as if there were none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway.app.hinting import EVERY_S, MAX_WAIT_S, Hinting
from gateway.core.errors import StoreUnavailable
from gateway.core.hint import Hint, HintCounts
from gateway.routing.hints import Hints
from tests.routing.test_hints import Gateway
from tests.support.clock import ManualClock


class Held:
    """A store in memory, that may be away."""

    def __init__(self) -> None:
        self.hints: dict[str, Hint] = {}
        self.away = False
        self.asked = 0
        self.closed = False

    async def exchange(self, news: Sequence[Hint], names: Sequence[str]) -> list[Hint]:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        self.hints.update({hint.name: hint for hint in news})
        return [self.hints[name] for name in names if name in self.hints]

    async def close(self) -> None:
        self.closed = True


def hinting(name: str, clock: list[float], held: Held) -> tuple[Gateway, Hinting, HintCounts]:
    gateway, counts = Gateway(name, clock), HintCounts()
    return gateway, Hinting(Hints(gateway.healths, name), held, ManualClock().sleep, counts), counts


def test_a_store_that_was_away_is_told_what_still_holds(caplog: pytest.LogCaptureFixture):
    async def test() -> None:
        clock, held = [100.0], Held()
        one, its, counts = hinting("one", clock, held)
        other, others, heard = hinting("other", clock, held)
        held.away = True
        one.fail()
        waits = [await its.once() for _ in range(12)]
        assert all(EVERY_S <= wait <= MAX_WAIT_S for wait in waits)
        assert min(waits[-3:]) >= MAX_WAIT_S / 2
        assert (counts.connected, counts.failed, counts.told) == (False, 12, 0)
        held.away = False
        assert await its.once() == EVERY_S
        assert await others.once() == EVERY_S
        assert (counts.connected, counts.told, heard.believed) == (True, 1, 1)
        assert other.state == "open"
        # Once is enough.
        await its.once()
        await others.once()
        assert (counts.told, heard.believed) == (1, 1)

    asyncio.run(test())
    assert [record.levelname for record in caplog.records if record.name == "weighbridge.hints"] == ["WARNING"]


def test_it_goes_on_until_it_is_ended_and_lets_go_of_the_store():
    async def test() -> None:
        gateway, held, clock = Gateway("one", [100.0]), Held(), ManualClock()
        task = asyncio.create_task(Hinting(Hints(gateway.healths, "one"), held, clock.sleep, HintCounts()).run())
        for number in range(1, 4):
            async with asyncio.timeout(60):
                while held.asked < number or not clock.sleepers:
                    await asyncio.sleep(0)
            clock.advance(EVERY_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert held.closed

    asyncio.run(test())
