"""Spool, shipper and the real engine together, in processes that are killed."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from gateway.clients.clickhouse import ClickHouseClient
from gateway.clients.clock import SystemClock
from gateway.operator.shipper import Shipper, ShipperLimits
from gateway.operator.store import TraceStore
from gateway.recording.segment import list_segments
from gateway.recording.spool import SpoolWriter
from tests.support.clickhouse_shim import ClickHouseShim
from tests.support.drivers import opened
from tests.support.engine import fresh_database
from tests.support.figures import BUSY
from tests.support.records import lines, record

SHIP = """
import asyncio, sys
from pathlib import Path
from gateway.clients.chdb import ChdbClient
from gateway.clients.clock import SystemClock
from gateway.operator.shipper import Shipper, ShipperLimits
from gateway.operator.store import TraceStore

async def main():
    driver = ChdbClient(Path(sys.argv[2]))
    store = TraceStore(driver)
    await store.start()
    shipper = Shipper(Path(sys.argv[1]), store, SystemClock(), limits=ShipperLimits(slice_lines=40))
    print("ready", flush=True)
    await shipper.ship()
    for table in ("exchanges", "attempts", "guard_events", "spend_by_minute"):
        what = "sum(calls)" if table == "spend_by_minute" else "count()"
        print((await driver.query(f"SELECT {what} FROM {table}", fmt="TSVRaw")).decode().strip(), flush=True)
    print((await driver.query("SELECT uniqExact(id), sum(input_tokens) FROM exchanges", fmt="TSVRaw")).decode().strip())
    await driver.close()
    shipper.close()

asyncio.run(main())
"""


def start(spool: Path, store: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SHIP, spool, store], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def fill(directory: Path, count: int, **options) -> SpoolWriter:
    spool = SpoolWriter(directory, name="w", clock=SystemClock(), max_bytes=1 << 30, **options)
    for line in lines(*(record() for _ in range(count))).splitlines():
        assert spool.append(line)
    return spool


@pytest.mark.integration
def test_a_shipper_killed_at_any_moment_counts_every_line_once(tmp_path: Path) -> None:
    spool_dir, store_dir = tmp_path / "spool", tmp_path / "store"
    fill(spool_dir, 1200, segment_bytes=300_000).close()
    killed = 0
    for _ in range(6):
        shipper = start(spool_dir, store_dir)
        assert shipper.stdout is not None
        assert shipper.stdout.readline() == "ready\n"
        try:
            shipper.wait(random.uniform(0.02, 0.4))
        except subprocess.TimeoutExpired:
            shipper.send_signal(signal.SIGKILL)
            killed += 1
        shipper.communicate()
    last = start(spool_dir, store_dir)
    out, _ = last.communicate(timeout=60)
    assert out.splitlines() == ["ready", "1200", "1200", "1200", "1200", "1200\t120000"]
    assert killed >= 3
    assert list_segments(spool_dir) == []


@pytest.mark.integration
def test_a_worker_killed_while_it_writes_loses_no_line_that_it_had_written(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from gateway.clients.clock import SystemClock
from gateway.recording.spool import SpoolWriter
spool = SpoolWriter(Path(sys.argv[1]), name="w", clock=SystemClock(), max_bytes=1 << 30, segment_bytes=20_000)
number = 0
while True:
    spool.append(b'{"n":%d}' % number)
    print(number, flush=True)
    number += 1
"""
    worker = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    confirmed = [worker.stdout.readline() for _ in range(3000)]
    worker.send_signal(signal.SIGKILL)
    confirmed += worker.communicate()[0].splitlines(keepends=True)

    class Keeping:
        taken = b""

        async def insert(self, lines: bytes, token: str) -> None:
            self.taken += lines

    async def ship() -> None:
        shipper = Shipper(tmp_path, store, SystemClock())
        await shipper.ship()
        shipper.close()

    store = Keeping()
    asyncio.run(ship())
    numbers = [orjson.loads(line)["n"] for line in store.taken.splitlines()]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= sum(line.endswith("\n") for line in confirmed)
    assert list_segments(tmp_path) == []


def test_a_server_that_goes_away_and_comes_back_has_every_line_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = ClickHouseShim()
        server.start()
        driver = ClickHouseClient(server.url(fresh_database()))
        limits = ShipperLimits(slice_lines=20, first_backoff_s=0.02, linger_s=0.02, poll_s=0.01)
        shipper = Shipper(tmp_path, TraceStore(driver), SystemClock(), limits=limits)
        spool = fill(tmp_path, 50)
        task = asyncio.get_running_loop().create_task(shipper.run())
        async with asyncio.timeout(60):
            for failing in ("before", "after", "stop"):
                while shipper.lag_bytes or not shipper.shipped_lines:
                    await asyncio.sleep(0.005)
                if failing == "stop":
                    await asyncio.to_thread(server.stop)
                else:
                    server.failing = failing
                for line in lines(*(record() for _ in range(50))).splitlines():
                    spool.append(line)
                while not shipper.last_error:
                    await asyncio.sleep(0.005)
                server.failing = ""
                if failing == "stop":
                    await asyncio.to_thread(server.start)
                while shipper.shipped_lines < 50:
                    await asyncio.sleep(0.005)
            while shipper.lag_bytes or shipper.last_error:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
        counted = await driver.query("SELECT count(), uniqExact(id) FROM exchanges", fmt="TSVRaw")
        spent = await driver.query("SELECT sum(calls) FROM spend_by_minute", fmt="TSVRaw")
        assert (counted, spent) == (b"200\t200\n", b"200\n")
        shipper.close()
        spool.close()
        await driver.close()
        server.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["chdb", "clickhouse"])
def test_lines_that_the_engine_refuses_are_set_aside_and_the_rest_is_in_the_tables(tmp_path: Path, kind: str) -> None:
    spool = SpoolWriter(tmp_path, name="w", clock=SystemClock(), max_bytes=1 << 30)
    good = lines(*(record(request_body="line\nbreak") for _ in range(30))).splitlines()
    bad = [
        good[0][:200],
        good[0][: good[0].index(b"tenant") + 12],
        b'{"id":"none"}',
        good[1].replace(b'"status":200', b'"status":-1', 1),
        b"[]",
        b"\x00\xff",
        b'"text"',
    ]
    for number, line in enumerate(good):
        spool.append(line)
        if number % 5 == 4:
            spool.append(bad.pop())
    for line in bad:
        spool.append(line)

    async def scenario() -> None:
        async with opened(kind) as driver:
            shipper = Shipper(tmp_path, TraceStore(driver), SystemClock())
            assert await shipper.ship() == 30
            assert (shipper.shipped_lines, shipper.poison_lines) == (30, 7)
            counted = await driver.query("SELECT count(), uniqExact(id) FROM exchanges", fmt="TSVRaw")
            spent = await driver.query("SELECT sum(calls) FROM spend_by_minute", fmt="TSVRaw")
            assert (counted, spent) == (b"30\t30\n", b"30\n")
            shipper.close()

    asyncio.run(scenario())
    spool.close()


def test_a_call_can_be_asked_for_within_two_seconds_of_its_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened("chdb") as driver:
            store, clock = TraceStore(driver), SystemClock()
            await store.start()
            shipper = Shipper(tmp_path, store, clock)
            task = asyncio.get_running_loop().create_task(shipper.run())
            spool = SpoolWriter(tmp_path, name="w", clock=clock, max_bytes=1 << 30)
            for number in range(1, 4):
                ended_ns = clock.monotonic_ns()
                spool.append(lines(record()).strip())
                while await driver.query("SELECT count() FROM exchanges", fmt="TSVRaw") != b"%d\n" % number:
                    await asyncio.sleep(0.005)
                assert clock.monotonic_ns() - ended_ns < 2_000_000_000 * BUSY
            task.cancel()
            await asyncio.wait([task])
            shipper.close()
            spool.close()

    asyncio.run(scenario())
