from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from gateway.app.alike import Alike
from gateway.app.nearby import Nearby
from gateway.cache.lessons import PEOPLE, Lesson, teach
from gateway.core.cache_rules import CacheRules, SemanticRule
from gateway.core.errors import ModelFailed
from tests.support.clock import ManualClock
from tests.support.kept_answers import ListedAnswers
from tests.support.on_loop import on_loop

RULES = CacheRules(semantic=SemanticRule())


class Worker:
    """One, with its home; the model is there or not."""

    def __init__(self, home: Path) -> None:
        (home / "run").mkdir(parents=True, exist_ok=True)
        self.run_dir, self.clock, self.store = home / "run", ManualClock(), ListedAnswers()
        self.model = self.reads = True
        self.counted: list[str] = []
        self.alike = Alike(home, 0, self.clock, self)
        self._task: asyncio.Task[None] | None = None

    async def embed(self, texts: Sequence[str]) -> Any:
        if not self.model:
            raise ModelFailed("The model file has not been built.")
        return np.ones((len(texts), 1), dtype=np.float32)

    async def pieces(self, text: str) -> bytes:
        return b"ab"

    async def odds(self, one: bytes, other: bytes) -> float:
        if not self.reads:
            raise ModelFailed("Nobody reads pairs.")
        return 3.0

    def install(self, rules: CacheRules = RULES) -> Nearby | None:
        return self.alike.neighbours(rules, self.store, lambda _call, _course, _scope: "p", self.counted.append)

    async def turn(self) -> None:
        """Let one turn of the chore go by."""
        if self._task is None:
            self._task = asyncio.ensure_future(self.alike.run())
        else:
            self.clock.advance(1.0)
        while not self.clock.sleepers:
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.alike.close()

    @property
    def promise(self) -> Any:
        return self.alike._promise_of(RULES.semantic or SemanticRule())


@pytest.mark.parametrize("semantic", [None, SemanticRule(mode="off")])
@on_loop
async def test_nobody_looks_where_nobody_is_to(tmp_path: Path, semantic: SemanticRule | None) -> None:
    worker = Worker(tmp_path)
    assert worker.install(CacheRules(semantic=semantic)) is None
    await worker.turn()
    assert worker.alike.told() == {}
    await worker.stop()


@on_loop
async def test_what_people_say_is_learnt_and_kept_over_reloads_and_restarts(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert worker.install() is not None
    await worker.turn()
    assert worker.promise.allows("p", 0.99)
    for _ in range(8):
        teach(worker.run_dir, Lesson(partition="p", chance=0.99, right=False, by=PEOPLE))
    await worker.turn()
    assert not worker.promise.allows("p", 0.99)
    assert worker.promise.allows("another", 0.99)
    # A reload makes who looks anew, even with another promise.
    worker.install(CacheRules(semantic=msgspec.structs.replace(SemanticRule(), max_error=0.02)))
    await worker.turn()
    worker.install()
    assert not worker.promise.allows("p", 0.99)
    await worker.turn()
    await worker.stop()
    again = Worker(tmp_path)
    again.install()
    await again.turn()
    assert not again.promise.allows("p", 0.99)
    await again.stop()


@on_loop
async def test_a_model_that_is_not_there_is_told_once_and_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(tmp_path)
    worker.model = False
    worker.install()
    with caplog.at_level(logging.WARNING):
        await worker.turn()
        await worker.turn()
    [said] = [record.message for record in caplog.records]
    assert "The model file has not been built." in said
    assert "weighbridge models" in said
    await worker.stop()


@on_loop
async def test_where_pairs_cannot_be_read_that_is_said_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(tmp_path)
    worker.reads = False
    worker.install()
    with caplog.at_level(logging.WARNING):
        await worker.turn()
    [said] = [record.message for record in caplog.records]
    assert "Nobody reads pairs." in said
    assert worker.alike.told() == {"semantic_unread": 1}
    await worker.stop()
