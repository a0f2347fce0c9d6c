from __future__ import annotations

import asyncio

from gateway.cache.together import PAUSE_S, Together
from gateway.core.errors import ModelFailed
from tests.support.on_loop import on_loop


class Model:
    """Says 1.5 of any two questions, once it may."""

    def __init__(self) -> None:
        self.works = True
        self.may = asyncio.Event()
        self.may.set()
        self.asked = 0

    async def pieces(self, text: str) -> bytes:
        self._count()
        return text.encode()

    async def odds(self, one: bytes, other: bytes) -> float:
        self._count()
        await self.may.wait()
        return 1.5

    def _count(self) -> None:
        self.asked += 1
        if not self.works:
            raise ModelFailed("It is broken.")


class Rig:
    def __init__(self, *, at_once: int = 2) -> None:
        self.model, self.now_s = Model(), 100.0
        self.together = Together(self.model, lambda: self.now_s, at_once=at_once)


@on_loop
async def test_both_are_read() -> None:
    rig = Rig()
    assert await rig.together.pieces("one") == b"one"
    assert await rig.together.odds(b"one", b"other") == 1.5


@on_loop
async def test_where_too_many_are_read_already_nobody_waits() -> None:
    rig = Rig(at_once=1)
    rig.model.may.clear()
    first = asyncio.ensure_future(rig.together.odds(b"one", b"other"))
    await asyncio.sleep(0)
    assert await rig.together.odds(b"one", b"other") is None
    rig.model.may.set()
    assert (await first, await rig.together.odds(b"one", b"other")) == (1.5, 1.5)
    assert (rig.together.turned_away, rig.together.failed) == (1, 0)


@on_loop
async def test_who_leaves_makes_room() -> None:
    rig = Rig(at_once=1)
    rig.model.may.clear()
    left = asyncio.ensure_future(rig.together.odds(b"one", b"other"))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    rig.model.may.set()
    assert await rig.together.odds(b"one", b"other") == 1.5


@on_loop
async def test_a_model_that_failed_is_left_alone_for_a_while() -> None:
    rig = Rig()
    rig.model.works = False
    assert await rig.together.odds(b"one", b"other") is None
    assert (rig.together.why, rig.together.failed) == ("It is broken.", 1)
    rig.model.works = True
    assert await rig.together.odds(b"one", b"other") is None
    assert (await rig.together.pieces("one"), rig.model.asked) == (b"", 1)
    rig.now_s += PAUSE_S
    assert await rig.together.odds(b"one", b"other") == 1.5
    assert rig.together.why == ""


@on_loop
async def test_a_vocabulary_that_cannot_be_read_is_a_failure_like_any() -> None:
    rig = Rig()
    rig.model.works = False
    assert await rig.together.pieces("one") == b""
    assert rig.together.failed == 1
