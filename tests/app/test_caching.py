from __future__ import annotations

from pathlib import Path

from gateway.answering import Answers
from gateway.app.caching import Caching
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.realtime.seat import Seats
from tests.support.clock import ManualClock


def settings(folder: Path, cache: str) -> Settings:
    file = folder / "weighbridge.yaml"
    file.write_text(f"version: 1\ncache: {cache}\n")
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
