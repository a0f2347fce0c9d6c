"""What is fetched once for all who wait, and again in time."""

from __future__ import annotations

import asyncio

import pytest

from gateway.clients.renewed import BACK_OFF_S, Renewed
from gateway.core.errors import GatewayError, Misconfigured, Overloaded


class Given(Renewed):
    """Gives what a test puts in."""

    def __init__(self, *answers: bytes | GatewayError) -> None:
        self.now_s = 0.0
        super().__init__(lambda: self.now_s)
        self.answers = list(answers)
        self.go = asyncio.Event()
        self.go.set()
        self.told: list[bytes | GatewayError] = []

    async def fetch(self) -> bytes:
        await self.go.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, GatewayError):
            raise answer
        return answer

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


def test_all_who_wait_are_told_of_one_fetch() -> None:
    async def test() -> None:
        given = Given(b"one", b"two")
        for _ in range(3):
            given.wait(given.told.append, given.told.append)
        gone = given.wait(given.told.append, given.told.append)
        gone.cancel()
        await given.settle()
        assert given.told == [b"one"] * 3
        given.renew()
        await given.settle()
        assert given.told == [b"one"] * 3
        assert given.answers == []

    asyncio.run(test())


def test_what_was_refused_is_not_asked_for_at_once_again() -> None:
    async def test() -> None:
        given = Given(Misconfigured("no"), b"")
        for _ in range(2):
            given.wait(given.told.append, given.told.append)
            await given.settle()
        assert [str(each) for each in given.told] == ["no", "no"]
        # Each has an error of its own: what is raised remembers where.
        assert given.told[0] is not given.told[1]
        given.now_s += BACK_OFF_S
        given.wait(given.told.append, given.told.append)
        await given.settle()
        assert given.told[2:] == [b""]

    asyncio.run(test())


def test_who_waits_when_it_closes_is_told() -> None:
    async def test() -> None:
        given = Given(b"one")
        given.go.clear()
        given.wait(given.told.append, given.told.append)
        await given.settle()
        await given.close()
        assert [type(each) for each in given.told] == [Overloaded]

    asyncio.run(test())


def test_nothing_is_fetched_by_itself() -> None:
    async def test() -> None:
        with pytest.raises(NotImplementedError):
            await Renewed(lambda: 0.0).fetch()

    asyncio.run(test())
