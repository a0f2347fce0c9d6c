"""Answers a worker's question, from either kind of store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from gateway.core.errors import StoreUnavailable
from gateway.core.recorded import RECORDED_FILE, WANTED_FILE, Line, Recorded, Tally, Wanted
from gateway.operator.recorded import RecordedUse, ask, recorded_families
from gateway.operator.store import TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.clock import ManualClock
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record

NOW_US = time.time_ns() // 1000
EDGES = (NOW_US - 7_200_000_000, NOW_US - 3_600_000_000, NOW_US)


def some() -> list:
    ago = [10, 20, 3_700_000_000, 7_300_000_000, 30, 40]
    made = [record(id=record().id, started_us=NOW_US - each, tags={"project": "x"}) for each in ago]
    made[1].cost_nanousd = made[1].input_tokens = None
    made[4].attempts = []
    made[5].key_id, made[5].tags = "", {"weighbridge": "mirror"}
    return made


class Shipped:
    """Says whether it is all there."""

    def __init__(self) -> None:
        self.all = False
        self.asked: list[Mapping[str, int]] = []

    async def has_shipped(self, noted: Mapping[str, int]) -> bool:
        self.asked.append(noted)
        return self.all


class Open:
    """A store that is open, or none."""

    def __init__(self, driver: TraceDriver | None) -> None:
        self.kept = driver

    def driver(self) -> TraceDriver:
        if self.kept is None:
            raise StoreUnavailable("away")
        return self.kept


@pytest.mark.parametrize("tags", [True, False])
@pytest.mark.parametrize("kind", DRIVERS)
def test_the_store_adds_up_as_the_spool_does(kind: str, tags: bool) -> None:
    records = some()

    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        await store.insert(lines(*records), "t")
        got = await ask(driver, Wanted(asked="q", edges=EDGES, tags=tags, segments={}))
        assert got.asked == "q"
        stored, spooled = Tally(EDGES, tags=tags), Tally(EDGES, tags=tags)
        for used in got.used:
            stored.add(used)
        for each in records:
            spooled.add_line(msgspec.json.decode(msgspec.json.encode(each), type=Line))
        assert len(list(stored.all())) == 3
        assert {msgspec.json.encode(each) for each in stored.all()} == {
            msgspec.json.encode(each) for each in spooled.all()
        }

    with_driver(kind, scenario)


def test_it_waits_for_the_store_and_for_the_spool_and_answers_once(tmp_path: Path) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await TraceStore(driver).start()
        shipped, traces = Shipped(), Open(None)
        use = RecordedUse(tmp_path, shipped, traces, ManualClock())
        assert not await use.once()
        wanted = Wanted(asked="q", edges=EDGES, tags=False, segments={"s": 7})
        (tmp_path / WANTED_FILE).write_bytes(msgspec.json.encode(wanted))
        with pytest.raises(StoreUnavailable):
            await use.once()
        assert use.waiting
        traces.kept = driver
        assert not await use.once()
        assert shipped.asked == [{"s": 7}]
        shipped.all = True
        assert await use.once()
        assert (use.waiting, use.answered) == (False, 1)
        assert msgspec.json.decode((tmp_path / RECORDED_FILE).read_bytes(), type=Recorded) == Recorded(
            asked="q", used=[]
        )
        assert not await use.once()
        assert not (tmp_path / WANTED_FILE).exists()

    with_driver("chdb", scenario)


def test_it_tells_how_it_stands(tmp_path: Path) -> None:
    use = RecordedUse(tmp_path, Shipped(), Open(None), ManualClock())
    use.waiting, use.failed = True, 3
    waiting, total = recorded_families(use)
    assert waiting.samples == [("", (), 1)]
    assert total.samples == [("", ("answered",), 0), ("", ("failed",), 3)]
