from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import orjson
import pytest

from gateway.clients.clock import SystemClock
from gateway.core.errors import StoreUnavailable
from gateway.core.record import ExchangeRecord
from gateway.operator.shipper import Shipper
from gateway.operator.spool_care import Repaired, is_shipping, left_of, repair, survey
from gateway.operator.store import TraceStore
from gateway.plugin.traces import TraceDriver
from gateway.recording.segment import list_segments
from tests.support.drivers import DRIVERS, opened
from tests.support.records import lines, record
from tests.support.shipping import TokenStore, rotate, shipping, writer

NOW_MS = 1_900_000_000_000
SPOILT = b'{"committed":"much"}'


def fill(spool, *records: ExchangeRecord) -> None:
    for one in records:
        spool.append(msgspec.json.encode(one))


async def shipped(directory: Path, driver: TraceDriver) -> Shipper:
    shipper = Shipper(directory, TraceStore(driver), SystemClock())
    try:
        await shipper.ship()
    finally:
        shipper.close()
    return shipper


async def counts(driver: TraceDriver) -> list[int]:
    sql = "SELECT count(), uniqExact(id), (SELECT sum(calls) FROM spend_by_minute) FROM exchanges"
    return [int(each) for each in (await driver.query(sql, fmt="TSVRaw")).split()]


def test_an_empty_spool_and_one_that_is_not_there_are_sound(tmp_path: Path) -> None:
    state = survey(tmp_path / "later", NOW_MS)
    assert (state.sound, state.segments, state.waiting_lines, state.shipping) == (True, [], 0, False)


def test_what_waits_is_told_segment_by_segment(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    spool.append(b'{"a":1}')
    spool.append(b'{"b":2}')
    rotate(spool)
    spool.append(b'{"c":3}')

    async def scenario(shipper: Shipper) -> None:
        assert not is_shipping(tmp_path)
        await shipper.ship()
        assert is_shipping(tmp_path)

    state = survey(tmp_path, NOW_MS)
    assert [(one.waiting_lines, one.waiting_bytes, one.open) for one in state.segments] == [
        (2, 16, False),
        (1, 8, True),
    ]
    assert (state.used_bytes, state.waiting_bytes, state.waiting_lines, state.sound) == (24, 24, 3, True)
    assert state.oldest_s > 0
    noted = {str(name): (tmp_path / str(name)).stat().st_size for name in list_segments(tmp_path)}
    assert left_of(tmp_path, noted) == 24
    shipping(tmp_path, TokenStore(), scenario)
    spool.append(b'{"d":4}')
    state = survey(tmp_path, NOW_MS)
    assert [(one.waiting_lines, one.waiting_bytes) for one in state.segments] == [(1, 8)]
    assert left_of(tmp_path, noted) == 0
    spool.close()


def test_lines_set_aside_are_told_with_their_reasons(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    for line in (b'{"a":1}', b'{"bad":1}', b"[]"):
        spool.append(line)

    async def scenario(shipper: Shipper) -> None:
        await shipper.ship()

    shipping(tmp_path, TokenStore(), scenario)
    state = survey(tmp_path, NOW_MS)
    assert (state.sound, state.poison_lines, state.reasons) == (False, 2, {"bad line": 1, "no JSON object": 1})
    spool.close()


def test_a_segment_with_spoilt_offsets_holds_up_no_other_and_is_told(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    spool.append(b'{"a":1}')
    rotate(spool)
    spoilt = str(list_segments(tmp_path)[0])
    (tmp_path / "offsets").mkdir()
    (tmp_path / "offsets" / f"{spoilt}.json").write_bytes(SPOILT)
    spool.append(b'{"b":2}')

    async def scenario(shipper: Shipper) -> None:
        assert await shipper.ship() == 1
        assert store.lines == [b'{"b":2}']
        assert shipper.stuck == [spoilt]
        assert not await shipper.has_shipped({spoilt: 1})

    shipping(tmp_path, store, scenario)
    state = survey(tmp_path, NOW_MS)
    assert [(one.name == spoilt, one.fault) for one in state.segments] == [(True, "offsets"), (False, "")]
    assert not state.sound
    spool.close()


def test_a_note_of_success_that_lost_its_end_with_the_power_has_the_slice_sent_again(tmp_path: Path) -> None:
    store, spool = TokenStore(), writer(tmp_path)
    spool.append(b'{"a":1}')

    async def scenario(shipper: Shipper) -> None:
        await shipper.ship()

    shipping(tmp_path, store, scenario)
    (done,) = (tmp_path / "offsets").glob("*.done")
    assert done.read_bytes() == b"8"
    done.write_bytes(b"")
    spool.append(b'{"b":2}')
    shipping(tmp_path, store, scenario)
    assert store.asked == 3
    assert store.lines == [b'{"a":1}', b'{"b":2}']
    spool.close()


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_repair_ships_what_the_store_has_not_and_nothing_twice(tmp_path: Path, kind: str) -> None:
    async def scenario() -> None:
        async with opened(kind) as driver:
            spool = writer(tmp_path)
            fill(spool, *(record() for _ in range(5)))
            await shipped(tmp_path, driver)
            # Half of it is in the store; then nobody knows any more how far it went.
            fill(spool, *(record() for _ in range(3)))
            spool.append(b"no record")
            segment = str(list_segments(tmp_path)[0])
            (tmp_path / "offsets" / f"{segment}.json").write_bytes(SPOILT)
            assert (await repair(tmp_path, driver, NOW_MS)).left_open == 1
            spool.close()
            wanted = Repaired(segments=1, lines_known=5, lines_queued=4)
            assert await repair(tmp_path, driver, NOW_MS, dry=True) == wanted
            assert [str(name) for name in list_segments(tmp_path)] == [segment]
            assert await repair(tmp_path, driver, NOW_MS) == wanted
            assert await repair(tmp_path, driver, NOW_MS) == Repaired()
            shipper = await shipped(tmp_path, driver)
            assert (shipper.shipped_lines, shipper.poison_lines) == (3, 1)
            assert await counts(driver) == [8, 8, 8]
            assert list_segments(tmp_path) == []

    asyncio.run(scenario())


def test_lines_that_were_refused_get_another_try_once_each(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened("chdb") as driver:
            await TraceStore(driver).start()
            good, there = record(), record()
            await driver.insert_lines("ingest", lines(there), "x")
            entries = [
                {"offset": 0, "reason": "r", "line": msgspec.json.encode(good).decode()},
                {"offset": 0, "reason": "r", "line": msgspec.json.encode(good).decode()},
                {"offset": 9, "reason": "r", "line": msgspec.json.encode(there).decode()},
                {"offset": 99, "reason": "no JSON object", "line": "[]"},
            ]
            (tmp_path / "poison").mkdir()
            file = tmp_path / "poison" / "w-1-0.ndjson"
            file.write_bytes(b"".join(orjson.dumps(entry) + b"\n" for entry in entries))
            assert await repair(tmp_path, driver, NOW_MS) == Repaired()
            wanted = Repaired(poison_queued=1, poison_left=2)
            assert await repair(tmp_path, driver, NOW_MS, poison=True, dry=True) == wanted
            assert await repair(tmp_path, driver, NOW_MS, poison=True) == wanted
            assert survey(tmp_path, NOW_MS).poison_lines == 2
            await shipped(tmp_path, driver)
            assert await counts(driver) == [2, 2, 2]
            assert await repair(tmp_path, driver, NOW_MS, poison=True) == Repaired(poison_left=2)

    asyncio.run(scenario())


@pytest.mark.parametrize("original", [True, False])
def test_a_repair_that_was_killed_is_finished_or_begun_again(tmp_path: Path, original: bool) -> None:
    line = b'{"a":1}\n'
    (tmp_path / "w-1-0.ndjson.part").write_bytes(line)
    if original:
        (tmp_path / "w-1-0.ndjson").write_bytes(line)

    async def scenario() -> None:
        async with opened("chdb") as driver:
            await TraceStore(driver).start()
            await repair(tmp_path, driver, NOW_MS)

    asyncio.run(scenario())
    assert [path.read_bytes() for path in tmp_path.glob("*.ndjson*")] == [line]
    assert len(list_segments(tmp_path)) == 1


def test_a_spool_that_is_being_shipped_is_left_alone(tmp_path: Path) -> None:
    async def scenario(shipper: Shipper) -> None:
        await shipper.ship()
        async with opened("chdb") as driver:
            with pytest.raises(StoreUnavailable, match="stop the gateway"):
                await repair(tmp_path, driver, NOW_MS)

    shipping(tmp_path, TokenStore(), scenario)
