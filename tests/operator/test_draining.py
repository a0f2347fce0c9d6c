from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.clients.clock import SystemClock
from gateway.operator.draining import note, ship_all, watch
from gateway.operator.shipper import Shipper
from gateway.recording.segment import list_segments
from tests.support.shipping import Away, TokenStore, rotate, shipping, writer


def test_what_was_there_is_shipped_and_what_comes_meanwhile_may_wait(tmp_path: Path) -> None:
    store, spool, told = TokenStore(), writer(tmp_path), list[int]()
    spool.append(b'{"a":1}')
    rotate(spool)
    spool.append(b'{"b":2}')
    noted = note(tmp_path)
    assert sorted(noted.values()) == [8, 8]
    assert asyncio.run(ship_all(tmp_path, noted, store, SystemClock(), told.append)) == 0
    assert sorted(store.lines) == [b'{"a":1}', b'{"b":2}']
    assert told == [16]
    assert len(list_segments(tmp_path)) == 1
    spool.close()


def test_what_nobody_can_ship_ends_the_wait_and_is_counted(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    spool.append(b'{"a":1}')
    rotate(spool)
    (tmp_path / "offsets").mkdir()
    (tmp_path / "offsets" / f"{list_segments(tmp_path)[0]}.json").write_bytes(b"{")
    assert asyncio.run(ship_all(tmp_path, note(tmp_path), TokenStore(), SystemClock(), lambda _: None)) == 8


def test_a_torn_end_holds_nothing_up(tmp_path: Path) -> None:
    (tmp_path / "w-1-0.ndjson").write_bytes(b'{"a":1}\n{"torn":')
    store = TokenStore()
    assert asyncio.run(ship_all(tmp_path, note(tmp_path), store, SystemClock(), lambda _: None)) == 0
    assert store.lines == [b'{"a":1}']


def test_a_store_that_is_away_is_said(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    store.failing = "before"
    spool.append(b'{"a":1}')
    with pytest.raises(Away):
        asyncio.run(ship_all(tmp_path, note(tmp_path), store, SystemClock(), lambda _: None))
    spool.close()


def test_who_ships_is_watched_until_it_is_done_or_gone(tmp_path: Path) -> None:
    store, spool, told = TokenStore(), writer(tmp_path), list[int]()
    spool.append(b'{"a":1}')
    noted = note(tmp_path)
    # Nobody ships.
    assert asyncio.run(watch(tmp_path, noted, SystemClock(), told.append)) == 8

    async def scenario(shipper: Shipper) -> None:
        store.failing = "before"
        with pytest.raises(Away):
            await shipper.ship()
        watching = asyncio.get_running_loop().create_task(watch(tmp_path, noted, SystemClock(), told.append))
        while not told:
            await asyncio.sleep(0.001)
        store.failing = ""
        await shipper.ship()
        assert await watching == 0
        assert set(told) == {8}

    shipping(tmp_path, store, scenario)
    spool.close()
