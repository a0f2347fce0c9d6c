"""The state that a kill between the engine's log and its part leaves, made by hand; then the engine itself opens it."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.clients.chdb_recovery import strike_unfinished
from tests.support.records import lines, record

# All that a call with a body and a hit of a guard leaves rows in.
TABLES = ("exchanges", "attempts", "guard_events", "bodies", "spend_by_minute", "spend_by_tag_minute",
          "spend_by_hour", "spend_by_key_day", "latency_by_minute", "latency_by_hour", "rules_by_minute")  # fmt: skip
# Inserts the slices that are named, each under its token, and says how many calls each table then has.
INSERT = """
import asyncio, sys
from pathlib import Path
from gateway.clients.chdb import ChdbClient
from gateway.operator.store import TraceStore

async def main(store_dir, merge, *slices):
    driver = ChdbClient(Path(store_dir))
    store = TraceStore(driver)
    await store.start()
    for name in slices:
        await store.insert(Path(name).read_bytes(), Path(name).name)
    for table in TABLES:
        if merge == "merge":
            await driver.command(f"OPTIMIZE TABLE {table} FINAL")
        what = "sum(calls)" if table.endswith(("minute", "hour", "day")) else "count()"
        print(int(await driver.query(f"SELECT {what} FROM {table}", fmt="TSVRaw")))
    await driver.close()

asyncio.run(main(*sys.argv[1:]))
""".replace("TABLES", repr(TABLES))


def counts(store: Path, *slices: Path, merge: bool = False) -> list[int]:
    words = [sys.executable, "-c", INSERT, store, "merge" if merge else "", *slices]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    return [int(line) for line in done.stdout.split()]


def log_of(table: Path) -> Path:
    return next((table / "deduplication_logs").glob("*.txt"))


def tables_of(store: Path) -> list[Path]:
    return [folder.parent for folder in store.glob("store/*/*/deduplication_logs")]


@pytest.fixture
def slices(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("first", "second")]
    for each in made:
        each.write_bytes(lines(*(record(request_body="x") for _ in range(10))))
    return made


@pytest.mark.integration
def test_a_slice_whose_tokens_were_noted_and_whose_rows_were_not_written_is_taken_again(
    tmp_path: Path, slices: list[Path]
) -> None:
    store, killed = tmp_path / "store", tmp_path / "killed"
    assert counts(store, slices[0]) == [10] * len(TABLES)
    shutil.copytree(store, killed, symlinks=True)
    assert counts(store, slices[1]) == [20] * len(TABLES)
    noted = 0
    for table in tables_of(store):
        twin = log_of(killed / table.relative_to(store))
        new = log_of(table).read_bytes()[twin.stat().st_size :]
        noted += bool(new)
        twin.write_bytes(twin.read_bytes() + new)
    assert noted == len(TABLES)
    # An engine that ends takes this file away; one that is killed does not.
    (killed / "status").touch()
    assert counts(killed, slices[1], merge=True) == [20] * len(TABLES)
    # What was finished is left alone, though its parts were merged into others since.
    assert counts(killed, *slices) == [20] * len(TABLES)


def table(store: Path, entries: str, *parts: str) -> Path:
    folder = store / "store" / "abc" / "abcdef"
    (folder / "deduplication_logs").mkdir(parents=True)
    (store / "status").touch()
    for part in parts:
        (folder / part).mkdir()
    log = folder / "deduplication_logs" / "deduplication_log_2.txt"
    log.write_text(entries)
    log.with_name("deduplication_log_1.txt").write_text("1\t20251231_9_9_0\tx\n")
    log.with_name("deduplication_log_10.txt").touch()
    return log


OLDER = "1\t20260101_1_1_0\ta\n"


@pytest.mark.parametrize(
    ("last", "parts", "left"),
    [
        ("1\t20260101_2_2_0\tb\n", ["20260101_1_1_0"], OLDER),
        ("1\t20260101_2_2_0\tb\n", ["20260101_1_1_0", "tmp_insert_20260101_2_2_0", "20260102_2_2_0"], OLDER),
        ("1\t20260101_2_2_0\tb", ["20260101_1_1_0"], OLDER),
        ("1\t20260101_2_2_0\tb\n", ["20260101_2_2_0"], None),
        ("1\t20260101_2_2_0\tb\n", ["20260101_1_7_3"], None),
        ("1\t20260101_2_2_0\tb\n", ["20260101_1_7_3_9"], None),
        ("2\t20260101_2_2_0\tb\n", [], None),
        ("something else\n", [], None),
        ("1\tsomething else\tb\n", [], None),
    ],
)
def test_only_an_entry_without_its_part_is_struck(
    tmp_path: Path, last: str, parts: list[str], left: str | None
) -> None:
    log = table(tmp_path, OLDER + last, *parts)
    assert strike_unfinished(tmp_path) == (left is not None)
    assert log.read_text() == (OLDER + last if left is None else left)


def test_a_store_that_is_open_or_is_not_there_is_left_alone(tmp_path: Path) -> None:
    log = table(tmp_path, OLDER)
    with (tmp_path / "status").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert strike_unfinished(tmp_path) == 0
        assert log.read_text() == OLDER
    assert strike_unfinished(tmp_path / "nowhere") == 0
    assert strike_unfinished(tmp_path) == 1
    assert log.read_text() == ""
