from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import StoreRejected, StoreUnavailable
from gateway.operator.audit import Actor, AuditLog, AuditShipper
from gateway.operator.schema import migrate
from gateway.plugin.traces import TraceDriver
from tests.support.clock import ManualClock
from tests.support.drivers import DRIVERS, with_driver

ANNA = Actor(who="anna", role="key admin")


def lines_of(audit: AuditLog) -> list[dict[str, str]]:
    return [orjson.loads(line) for line in audit.path.read_bytes().splitlines()]


class Table:
    """Takes rows; refuses lines that it is told to, or all of them."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.poison = b"\0"
        self.away = False

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        assert table == "audit"
        assert token
        if self.away:
            raise StoreUnavailable("away")
        if self.poison in data:
            raise StoreRejected("no")
        self.rows += data.splitlines()


def test_a_change_is_written_with_who_what_before_and_after(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path, ManualClock())
    audit.record(ANNA, "key.update", "k1", before={"team": "a"}, after={"team": "b"})
    audit.record(Actor(who="cli:root"), "key.create", "k2", after={"team": "c"})
    first, second = lines_of(audit)
    assert (first["who"], first["role"], first["action"], first["object"]) == ("anna", "key admin", "key.update", "k1")
    assert orjson.loads(first["before"]) == {"team": "a"}
    assert orjson.loads(first["after"]) == {"team": "b"}
    assert second["before"] == ""
    assert first["id"] != second["id"]
    assert audit.path.stat().st_mode & 0o077 == 0
    assert audit.folder.stat().st_mode & 0o077 == 0


@given(who=st.text(max_size=400), value=st.text(max_size=50))
@settings(max_examples=40)
def test_whatever_the_words_one_change_is_one_line(
    tmp_path_factory: pytest.TempPathFactory, who: str, value: str
) -> None:
    audit = AuditLog(tmp_path_factory.mktemp("audit"), ManualClock())
    audit.record(Actor(who=who.encode("utf-8", "replace").decode()), "x", "y", after={"v": value})
    (line,) = lines_of(audit)
    assert orjson.loads(line["after"]) == {"v": value}
    assert len(line["who"]) <= 256


def _write_many(home: Path, who: str) -> None:
    audit = AuditLog(home, ManualClock())
    for number in range(40):
        audit.record(Actor(who=who), "key.create", str(number), after={"pad": "x" * 300})


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_many, args=(tmp_path, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    seen = [(line["who"], line["object"]) for line in lines_of(AuditLog(tmp_path, ManualClock()))]
    assert sorted(seen) == sorted((who, str(number)) for who in "ab" for number in range(40))


def test_a_line_that_a_crash_cut_spoils_none_that_follows(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path, ManualClock())
    audit.record(ANNA, "one", "k")
    with audit.path.open("ab") as file:
        file.write(b'{"id":"cut')
    audit.record(ANNA, "two", "k")
    lines = audit.path.read_bytes().split(b"\n")
    assert orjson.loads(lines[0])["action"] == "one"
    assert orjson.loads(lines[2])["action"] == "two"


def test_lines_reach_the_table_once_each_and_in_order(tmp_path: Path) -> None:
    audit, table = AuditLog(tmp_path, ManualClock()), Table()
    for number in range(3):
        audit.record(ANNA, "key.create", str(number))
    shipper = AuditShipper(audit, table)
    assert asyncio.run(shipper.ship())
    assert not asyncio.run(shipper.ship())
    audit.record(ANNA, "key.create", "3")
    # Another process goes on where this one was.
    asyncio.run(AuditShipper(audit, table).ship())
    assert [orjson.loads(row)["object"] for row in table.rows] == ["0", "1", "2", "3"]


def test_a_store_that_is_away_loses_nothing_and_a_line_that_it_will_not_take_stops_no_other(tmp_path: Path) -> None:
    audit, table = AuditLog(tmp_path, ManualClock()), Table()
    for name in ("good", "poison", "better"):
        audit.record(ANNA, "key.create", name)
    shipper = AuditShipper(audit, table)
    table.away = True
    with pytest.raises(StoreUnavailable):
        asyncio.run(shipper.ship())
    table.away, table.poison = False, b"poison"
    asyncio.run(shipper.ship())
    assert [orjson.loads(row)["object"] for row in table.rows] == ["good", "better"]
    assert not asyncio.run(shipper.ship())


def test_half_a_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    audit, table = AuditLog(tmp_path, ManualClock()), Table()
    audit.record(ANNA, "key.create", "k")
    whole = audit.path.read_bytes()
    audit.path.write_bytes(whole[:-5])
    shipper = AuditShipper(audit, table)
    assert not asyncio.run(shipper.ship())
    audit.path.write_bytes(whole)
    assert asyncio.run(shipper.ship())


@pytest.mark.parametrize("kind", DRIVERS)
def test_the_table_holds_a_change_once_however_often_it_was_sent(kind: str, tmp_path: Path) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver)
        clock = ManualClock()
        audit = AuditLog(tmp_path, clock)
        audit.record(ANNA, "key.create", "k1", after={"team": "a\nb"})
        await AuditShipper(audit, driver).ship()
        clock.advance(1)
        audit.record(ANNA, "key.revoke", "k1", before={"team": "a\nb"})
        (audit.folder / "shipped").unlink()
        await AuditShipper(audit, driver).ship()
        rows = orjson.loads(await driver.query("SELECT * FROM audit FINAL ORDER BY at, id"))["data"]
        assert [(row["who"], row["role"], row["action"], row["object"]) for row in rows] == [
            ("anna", "key admin", "key.create", "k1"),
            ("anna", "key admin", "key.revoke", "k1"),
        ]
        assert orjson.loads(rows[0]["after"]) == {"team": "a\nb"}

    with_driver(kind, scenario)
