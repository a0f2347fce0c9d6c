from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import pytest

from gateway.core.errors import Overloaded, StoreUnavailable
from gateway.operator.tail import POLL_S, RETRY_S, Feed, Watcher, events
from tests.support.clock import ManualClock


class Store:
    """Exchanges in order of arrival; the cursor is a position."""

    def __init__(self) -> None:
        self.rows: list[dict[str, int]] = []
        self.asked = 0
        self.is_away = False

    async def fetch(self, after: str | None) -> tuple[list[dict[str, int]], str]:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("away")
        start = len(self.rows) if after is None else int(after)
        return self.rows[start:], str(len(self.rows))

    def arrive(self, *numbers: int) -> None:
        self.rows.extend({"n": number} for number in numbers)


class Scene:
    def __init__(self, **limits: int) -> None:
        self.clock = ManualClock()
        self.store = Store()
        self.feed = Feed(self.store.fetch, self.clock, **limits)

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def poll(self, seconds: float = POLL_S) -> None:
        await self.settle()
        self.clock.advance(seconds)
        await self.settle()


def run(scenario: Callable[[Scene], Coroutine[Any, Any, None]], **limits: int) -> None:
    async def whole() -> None:
        scene = Scene(**limits)
        task = asyncio.get_running_loop().create_task(scene.feed.run())
        await scene.settle()
        try:
            await scenario(scene)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())


async def seen(watcher: Watcher) -> tuple[list[int], int]:
    rows, skipped = await watcher.next(0.001)
    return [row["n"] for row in rows], skipped


def test_a_watcher_sees_what_arrives_after_it_began_and_nothing_older() -> None:
    async def scenario(scene: Scene) -> None:
        scene.store.arrive(1, 2)
        with scene.feed.watch() as watcher:
            await scene.feed.started()
            scene.store.arrive(3)
            await scene.poll()
            assert await seen(watcher) == ([3], 0)
            scene.store.arrive(4, 5)
            await scene.poll()
            assert await seen(watcher) == ([4, 5], 0)
            assert await seen(watcher) == ([], 0)

    run(scenario)


def test_the_store_is_asked_only_while_somebody_watches_and_once_for_all() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.poll()
        assert scene.store.asked == 0
        with scene.feed.watch() as one, scene.feed.watch() as other:
            await scene.feed.started()
            before = scene.store.asked
            scene.store.arrive(1)
            await scene.poll()
            assert scene.store.asked == before + 1
            assert await seen(one) == await seen(other) == ([1], 0)
        await scene.poll()
        before = scene.store.asked
        await scene.poll()
        assert scene.store.asked == before

    run(scenario)


def test_what_arrived_while_nobody_watched_is_not_shown_later() -> None:
    async def scenario(scene: Scene) -> None:
        with scene.feed.watch():
            await scene.feed.started()
        await scene.poll()
        scene.store.arrive(1)
        with scene.feed.watch() as watcher:
            await scene.feed.started()
            scene.store.arrive(2)
            await scene.poll()
            assert await seen(watcher) == ([2], 0)

    run(scenario)


def test_a_slow_watcher_loses_the_oldest_and_is_told_how_many() -> None:
    async def scenario(scene: Scene) -> None:
        with scene.feed.watch() as watcher:
            await scene.feed.started()
            scene.store.arrive(*range(8))
            await scene.poll()
            assert await seen(watcher) == ([5, 6, 7], 5)
            scene.store.arrive(8)
            await scene.poll()
            assert await seen(watcher) == ([8], 0)

    run(scenario, max_behind=3)


def test_a_watcher_sees_only_what_it_asked_for_and_loses_nothing_to_the_rest() -> None:
    async def scenario(scene: Scene) -> None:
        with scene.feed.watch(lambda row: row["n"] % 4 == 0) as some, scene.feed.watch() as every:
            await scene.feed.started()
            scene.store.arrive(*range(9))
            await scene.poll()
            assert await seen(some) == ([0, 4, 8], 0)
            assert await seen(every) == ([6, 7, 8], 6)
            scene.store.arrive(1)
            await scene.poll()
            assert await seen(some) == ([], 0)

    run(scenario, max_behind=3)


def test_too_many_watchers_are_refused_and_a_place_is_freed_by_leaving() -> None:
    async def scenario(scene: Scene) -> None:
        with scene.feed.watch(), pytest.raises(Overloaded), scene.feed.watch():
            pass
        with scene.feed.watch():
            pass

    run(scenario, max_watchers=1)


def test_a_store_that_was_away_is_only_a_pause() -> None:
    async def scenario(scene: Scene) -> None:
        with scene.feed.watch() as watcher:
            await scene.feed.started()
            scene.store.is_away = True
            await scene.poll()
            scene.store.arrive(1)
            scene.store.is_away = False
            await scene.poll(RETRY_S)
            assert await seen(watcher) == ([1], 0)

    run(scenario)


def test_closing_ends_every_watcher_after_what_it_still_has_to_see() -> None:
    async def scenario(scene: Scene) -> None:
        with scene.feed.watch() as watcher:
            await scene.feed.started()
            scene.store.arrive(1)
            await scene.poll()
            scene.feed.close()
            assert await seen(watcher) == ([1], 0)
            with pytest.raises(StopAsyncIteration):
                await watcher.next(1)
        with scene.feed.watch() as late, pytest.raises(StopAsyncIteration):
            await late.next(1)

    run(scenario)


def test_events_are_framed_and_silence_is_a_comment() -> None:
    assert events([], 0) == b": alive\n\n"
    framed = events([{"id": "a", "tags": {"x": "line\nbreak"}}], 2).decode()
    assert framed.startswith("event: skipped\ndata: 2\n\nevent: exchange\ndata: ")
    assert orjson.loads(framed.split("data: ")[2]) == {"id": "a", "tags": {"x": "line\nbreak"}}
    assert framed.count("\n\n") == 2
