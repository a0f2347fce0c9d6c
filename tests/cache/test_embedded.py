"""The store in the data home, as far as it is more than any store: restarts, memory at hand, damage, no usearch."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.cache import embedded
from gateway.cache.careful import CarefulStore
from gateway.cache.embedded import EmbeddedShelf
from gateway.clients.clock import SystemClock
from gateway.core.errors import StoreUnavailable
from tests.support.answers import NOW_S, a_vector, an_answer, key_of
from tests.support.clock import ManualClock

PLACE = ("aa" * 16, b"f" * 32)


async def shelf_in(home: Path, clock: ManualClock | SystemClock | None = None) -> EmbeddedShelf:
    clock = clock or ManualClock(NOW_S * 1000)
    shelf = EmbeddedShelf(home, clock, max_bytes=1 << 22, max_entries=5000, neighbours=True)
    await shelf.open()
    return shelf


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def test_a_restart_finds_everything_again_and_what_was_given(tmp_path: Path):
    async def test() -> None:
        shelf = await shelf_in(tmp_path)
        for number in range(20):
            await shelf.put(an_answer(f"n{number}"), a_vector(number))
        for _ in range(3):
            assert await shelf.get(key_of("n7")) is not None
        await shelf.close()
        shelf = await shelf_in(tmp_path)
        assert await shelf.get(key_of("n7")) == an_answer("n7")
        near = []
        while not near:
            near = await shelf.near(*PLACE, a_vector(5), 1)
        assert near[0][0] == an_answer("n5")
        assert (await shelf.survey()).parts[0].hits == 4
        await shelf.close()

    run(test)


def test_many_like_questions_are_found_by_a_graph_that_outlives_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.clients.neighbour_watch.NeighbourWatch.__init__.__defaults__", (20,), raising=False)

    async def test() -> None:
        shelf = await shelf_in(tmp_path)
        for number in range(60):
            await shelf.put(an_answer(f"n{number}"), a_vector(number))
        assert (await shelf.near(*PLACE, a_vector(50), 1))[0][0] == an_answer("n50")
        await shelf.close()
        assert len(list((tmp_path / "cache" / "graphs").iterdir())) == 1
        shelf = await shelf_in(tmp_path)
        near = []
        while not near:
            near = await shelf.near(*PLACE, a_vector(5), 1)
        assert near[0][0] == an_answer("n5")
        await shelf.close()

    run(test)


def test_a_hit_at_hand_and_a_miss_ask_no_disk_until_others_change_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    do = embedded._Lane.do

    async def counting(lane: embedded._Lane, work: Callable[..., object], *what: object) -> object:
        asked.append(getattr(work, "__name__", ""))
        return await do(lane, work, *what)

    async def test() -> None:
        shelf, other = await shelf_in(tmp_path), await shelf_in(tmp_path)
        await shelf.put(an_answer("one"), b"")
        assert await shelf.get(key_of("one")) is not None
        monkeypatch.setattr(embedded._Lane, "do", counting)
        for _ in range(5):
            assert await shelf.get(key_of("one")) is not None
            assert await shelf.get(key_of("none")) is None
        assert asked == []
        await other.put(an_answer("none"), b"")
        assert await shelf.get(key_of("none")) is not None
        await other.remove(key_of("one"))
        assert await shelf.get(key_of("one")) is None
        assert asked == ["put", "get", "remove", "get"]
        await shelf.close()
        await other.close()

    run(test)


def test_what_waits_for_the_disk_when_it_is_let_go_is_not_done(tmp_path: Path):
    async def test() -> None:
        lane, go_on = embedded._Lane("test"), threading.Event()
        running = asyncio.ensure_future(lane.do(go_on.wait, 60.0))
        waiting = asyncio.ensure_future(lane.do(int))
        given_up = asyncio.ensure_future(lane.do(int))
        await asyncio.sleep(0)
        given_up.cancel()
        closing = asyncio.get_running_loop().run_in_executor(None, lane.close)
        with pytest.raises(StoreUnavailable, match="let go"):
            await waiting
        with pytest.raises(asyncio.CancelledError):
            await given_up
        with pytest.raises(StoreUnavailable, match="let go"):
            await lane.do(int)
        go_on.set()
        await closing
        assert await running

    run(test)


def test_memory_at_hand_is_bounded_and_lets_go_of_what_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded, "HOT_BYTES", 100_000)

    async def test() -> None:
        clock = ManualClock(NOW_S * 1000)
        shelf = await shelf_in(tmp_path, clock)
        for number in range(50):
            await shelf.put(an_answer(f"n{number}", body=b"x" * 9_000), b"")
            assert await shelf.get(key_of(f"n{number}")) is not None
        assert shelf._hot._bytes <= 100_000
        assert len(shelf._hot._answers) == 10
        clock.advance(3_600.0)
        assert await shelf.get(key_of("n49")) is None
        await shelf.close()

    run(test)


def test_without_usearch_the_very_same_question_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(embedded, "_WATCH", "gateway.clients.not_there")

    async def test() -> None:
        shelf = await shelf_in(tmp_path)
        assert shelf.searches is False
        await shelf.put(an_answer("one"), a_vector(1))
        assert await shelf.get(key_of("one")) == an_answer("one")
        assert await shelf.near(*PLACE, a_vector(1), 1) == []
        await shelf.close()

    run(test)
    assert "usearch is not installed" in caplog.text


def test_another_version_or_a_disk_that_fails_is_a_miss_and_no_error(tmp_path: Path):
    async def test() -> None:
        shelf = await shelf_in(tmp_path, SystemClock())
        await shelf.put(an_answer("one", expires_s=2**40), b"")
        await shelf.close()
        with sqlite3.connect(tmp_path / "cache" / "answers.db") as raw:
            raw.execute("PRAGMA user_version = 7")
        shelf = EmbeddedShelf(tmp_path, SystemClock(), max_bytes=1 << 20, max_entries=10, neighbours=False)
        store = CarefulStore(shelf, SystemClock(), 5.0)
        for _ in range(2):
            assert await store.get(key_of("one")) is None
        await store.put(an_answer("one", expires_s=2**40))
        assert await store.get(key_of("one")) is not None
        assert store.counts()["errors"] == 1
        await store.close()
        (tmp_path / "other").write_bytes(b"")
        broken = EmbeddedShelf(tmp_path / "other", SystemClock(), max_bytes=1 << 20, max_entries=10, neighbours=True)
        store = CarefulStore(broken, SystemClock(), 5.0)
        assert await store.get(key_of("one")) is None
        await store.put(an_answer("one"))
        assert await store.near(*PLACE, a_vector(1), 1) == []
        assert store.counts()["errors"] == 3

    run(test)
