from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gateway.cache.embedding import MOST_CHARS, Embedding
from gateway.core.errors import ModelFailed
from tests.support.on_loop import on_loop


class Model:
    """Embeds a text when it is told to, as its length and its number of spaces."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False
        self.under_way = self.most = 0

    async def __call__(self, texts: Sequence[str]) -> Any:
        self.asked += texts
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.open.wait()
        finally:
            self.under_way -= 1
        if self.broken:
            raise ModelFailed("It is broken.")
        made = np.array([[len(text), text.count(" ") + 1] for text in texts], dtype=np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@on_loop
async def test_a_vector_is_of_half_floats_at_unit_length() -> None:
    data = await Embedding(Model()).vector("how are you")
    vector = np.frombuffer(data, dtype="<f2").astype(np.float32)
    assert len(data) == 4
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)
    assert vector @ np.array([11, 3]) / np.linalg.norm([11, 3]) == pytest.approx(1, abs=1e-3)


@on_loop
async def test_how_near_two_texts_are_is_told() -> None:
    embedding = Embedding(Model())
    assert await embedding.cosine("a b", "c d") == pytest.approx(1)
    assert (await embedding.cosine("a b", "a much longer text")) == pytest.approx(0.936, abs=0.01)


@on_loop
async def test_only_so_many_are_under_way_and_those_that_are_waited_for_come_first() -> None:
    model = Model()
    model.open.clear()
    embedding = Embedding(model, at_once=1)
    calls = [asyncio.ensure_future(embedding.vector(text)) for text in ("a", "b")]
    await settled()
    calls.append(asyncio.ensure_future(embedding.vector("c", urgent=True)))
    await settled()
    assert (model.asked, embedding.waiting) == (["a"], 2)
    model.open.set()
    assert all(await asyncio.gather(*calls))
    assert model.asked == ["a", "c", "b"]
    assert (model.most, embedding.waiting) == (1, 0)


@on_loop
async def test_more_than_may_wait_are_turned_away_and_what_nobody_waits_for_makes_room() -> None:
    model = Model()
    model.open.clear()
    embedding = Embedding(model, at_once=1, waiting=1)
    first, second = (asyncio.ensure_future(embedding.vector(text)) for text in ("a", "b"))
    await settled()
    assert await embedding.vector("c") == b""
    third = asyncio.ensure_future(embedding.vector("d", urgent=True))
    await settled()
    assert await second == b""
    assert await embedding.vector("e", urgent=True) == b""
    model.open.set()
    assert await first
    assert await third
    assert (model.asked, embedding.turned_away) == (["a", "d"], 3)


@on_loop
async def test_a_model_that_fails_gives_nothing_and_says_why() -> None:
    model = Model()
    model.broken = True
    embedding = Embedding(model, at_once=1)
    assert await embedding.vector("a") == b""
    assert await embedding.cosine("a", "b") is None
    assert (embedding.failed, embedding.why) == (3, "It is broken.")
    model.broken = False
    assert await embedding.vector("a")
    assert embedding.why == ""


@on_loop
async def test_a_text_that_is_too_long_is_not_embedded() -> None:
    model = Model()
    assert await Embedding(model).vector("a" * (MOST_CHARS + 1)) == b""
    assert model.asked == []


@pytest.mark.parametrize("urgent", [False, True])
@pytest.mark.parametrize("which", [0, 1, 2])
@on_loop
async def test_who_is_called_off_gives_up_the_turn_whether_it_has_it_or_waits(*, which: int, urgent: bool) -> None:
    model = Model()
    model.open.clear()
    embedding = Embedding(model, at_once=1)
    calls = [asyncio.ensure_future(embedding.vector(text, urgent=urgent)) for text in "abc"]
    await settled()
    calls[which].cancel()
    await settled()
    model.open.set()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(each, asyncio.CancelledError) for each in ended] == [at == which for at in range(3)]
    assert await embedding.vector("d")
    assert (embedding.waiting, model.under_way, model.most) == (0, 0, 1)


@on_loop
async def test_who_is_called_off_in_the_moment_of_its_turn_passes_it_on() -> None:
    model = Model()
    model.open.clear()
    embedding = Embedding(model, at_once=1)
    calls = [asyncio.ensure_future(embedding.vector(text)) for text in "abc"]
    await settled()
    calls[0].cancel()
    # The turn is given to the second while its task has not run yet.
    await asyncio.sleep(0)
    calls[1].cancel()
    model.open.set()
    assert await calls[2]
    assert await embedding.vector("d")
