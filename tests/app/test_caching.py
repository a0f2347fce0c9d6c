from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.answering import Answers
from gateway.app.caching import Caching
from gateway.cache.careful import CarefulStore
from gateway.clients.clock import SystemClock
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.realtime.seat import Seats
from tests.support.clock import ManualClock


def settings(folder: Path, cache: str, workers: int = 1) -> Settings:
    file = folder / "weighbridge.yaml"
    file.write_text(f"version: 1\nworkers: {workers}\ncache: {cache}\n")
    loaded = load_settings(Options(config=str(file)), {}, folder)
    assert loaded.settings is not None, loaded.problems
    return loaded.settings


def test_what_is_kept_outlives_a_reload(tmp_path: Path):
    caching = Caching(ManualClock())
    first = caching.ways(settings(tmp_path, "{exact: {ttl: 1h}}"))
    second = caching.ways(settings(tmp_path, "{exact: {ttl: 2h}}"))
    other = caching.ways(settings(tmp_path, "{exact: {ttl: 2h}, max_entries: 7}"))
    assert isinstance(first, Answers)
    assert isinstance(second, Answers)
    assert isinstance(other, Answers)
    assert first.store is second.store is not other.store
    assert second.rules.exact.ttl_s == 7200


def test_without_a_cache_there_is_none(tmp_path: Path):
    caching = Caching(ManualClock())
    assert isinstance(caching.ways(settings(tmp_path, "{}")), Seats)
    assert caching.told() is None
    caching.ways(settings(tmp_path, "{exact: true}"))
    told = caching.told()
    assert told is not None
    assert (told.entries, told.results) == (0, {})


def test_a_store_is_let_go_when_the_streams_that_go_through_it_are_over(tmp_path: Path):
    async def main() -> None:
        caching = Caching(SystemClock())
        text = "{exact: true, store: home, max_entries: %d}"
        first = caching.ways(settings(tmp_path, text % 7, workers=2))
        assert isinstance(first, Answers)
        assert isinstance(first.store, CarefulStore)
        with first.relaying.joining(b"k" * 32) as joined:
            assert joined.hearing is not None
            second = caching.ways(settings(tmp_path, text % 8, workers=2))
            assert isinstance(second, Answers)
            assert second.relaying is not first.relaying
            await first.store.want(b"o" * 32, 60.0)
            assert b"o" * 32 in await first.store.wanted()
        await caching.close()
        assert await first.store.wanted() == set()
        assert joined.hearing.done()

    asyncio.run(main())


def test_a_home_with_one_worker_has_nobody_to_meet(tmp_path: Path):
    async def main() -> None:
        for workers, expected in ((1, False), (2, True)):
            caching = Caching(SystemClock())
            answers = caching.ways(settings(tmp_path, "{exact: true, store: home}", workers=workers))
            assert isinstance(answers, Answers)
            with answers.relaying.joining(b"k" * 32) as joined:
                assert (joined.hearing is not None) is expected
            await caching.close()

    asyncio.run(main())
