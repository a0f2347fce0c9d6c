"""Nothing is lost on the way from a worker to the store but what the disk had no room for, and that is counted."""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from tests.support.agreement import number
from tests.support.clickhouse_shim import ClickHouseShim
from tests.support.engine import fresh_database
from tests.support.figures import SOAK, measured, slowness
from tests.support.gateway_run import Gateway, running, until
from tests.support.swift_load import SwiftLoad, calling_swiftly

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

CALLS = 100_000 if SOAK else 1_600
KILLS = 5 if SOAK else 1
AWAY_S = 30.0 if SOAK else 1.5
FULL_S = 5.0 if SOAK else 0.5
PATIENCE_S = 300.0 if SOAK else 120.0


@contextmanager
def full_disk(gateway: Gateway):
    """No file of the worker's takes another byte, as on a disk that is full; the last line is cut in its middle."""
    pid = gateway.worker_pid()
    (segment,) = [path for path in (gateway.home / "spool").glob("*.ndjson") if is_open(pid, path)]
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (segment.stat().st_size + 100, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def is_open(pid: int, path: Path) -> bool:
    return any(Path(fd).resolve() == path.resolve() for fd in Path(f"/proc/{pid}/fd").iterdir())


def kill_operator(gateway: Gateway) -> None:
    before = gateway.operator["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: gateway.operator["pid"] != before, PATIENCE_S)


def fill_the_disk(gateway: Gateway, load: SwiftLoad) -> tuple[float, float]:
    """Give when it was full, as the clock of ids and answers says."""
    assert gateway.next_counts()["spool_dropped_lines"] == 0
    began = time.time()
    with full_disk(gateway):
        until(lambda: time.time() - began > FULL_S, FULL_S + 10)
        load.wait(20)
        ended = time.time()
    return began, ended


def began_at(exchange_id: str) -> float:
    """When a call began, as its id says."""
    return (UUID(exchange_id).int >> 80) / 1000


def all_are_told(gateway: Gateway, load: SwiftLoad, full: tuple[float, float]) -> None:
    """Every call is in the store once, or was dropped and counted while the disk was full; and all tables agree."""
    until(lambda: gateway.metric("weighbridge_store_up") == 1, PATIENCE_S)
    until(lambda: number(gateway, "count() + sum(dropped_before)") >= len(load.seen), PATIENCE_S)
    until(lambda: gateway.ask_operator("/api/status").json()["shipper"]["lag_bytes"] == 0, PATIENCE_S)
    rows = {}
    for line in gateway.ask_operator("/api/export?since=1h").body.splitlines():
        row = orjson.loads(line)
        assert rows.setdefault(row["id"], row) is row, "twice in the store"
    assert rows.keys() <= load.seen.keys()
    lost = load.seen.keys() - rows.keys()
    assert lost, "the disk was never full"
    # Each ended while the disk was full: it was not over before, and had begun before the end.
    assert all(load.seen[each].at_s >= full[0] and began_at(each) <= full[1] for each in lost)
    assert number(gateway, "sum(dropped_before)") == len(lost)
    until(lambda: gateway.metric("weighbridge_spool_dropped_lines_total") == len(lost), PATIENCE_S)
    for name in ("input_tokens", "output_tokens"):
        wanted = sum(getattr(load.seen[each], name) for each in rows)
        assert wanted == number(gateway, f"sum({name})") == number(gateway, f"sum({name})", "spend_by_minute")
    assert number(gateway, "count()", "attempts") == len(rows)
    for rollup in ("spend_by_minute", "spend_by_tag_minute", "latency_by_minute"):
        assert number(gateway, "sum(calls)", rollup) == len(rows)
    measured("calls, a second, dropped on a full disk", (len(load.seen), round(load.rate), len(lost)))
    assert load.failed == 0
    if SOAK:
        assert load.rate * slowness() >= 1_000


def test_calls_are_told_once_though_the_operator_is_killed_and_the_disk_is_full(tmp_path: Path) -> None:
    config = "version: 1\ncapture: {bodies: none}\n"
    with running(tmp_path, operator=True, config=config) as gateway:
        with calling_swiftly(gateway.port) as load:
            for _ in range(KILLS):
                load.wait(CALLS // 8)
                kill_operator(gateway)
            full = fill_the_disk(gateway, load)
            load.wait(max(100, CALLS - len(load.seen)))
        all_are_told(gateway, load, full)


def test_calls_are_told_once_though_the_server_goes_away_and_the_disk_is_full(tmp_path: Path) -> None:
    server = ClickHouseShim(password="secret")
    server.start()
    try:
        url = server.url(fresh_database(), user="default", password="env:CH_PASSWORD")
        config = f'version: 1\nstores: {{traces: "{url}"}}\n'
        with running(tmp_path, operator=True, config=config, CH_PASSWORD="secret") as gateway:
            with calling_swiftly(gateway.port) as load:
                for turn in range(KILLS):
                    load.wait(CALLS // 8)
                    # An answer that was lost on the way: the slice is in the store, and is sent once more.
                    server.failing = "after" if turn == 0 else ""
                    until(lambda: gateway.metric("weighbridge_shipper_lag_bytes") > 0, PATIENCE_S)
                    kill_operator(gateway)
                    server.failing = ""
                server.stop()
                gone = time.monotonic()
                until(lambda: time.monotonic() - gone > AWAY_S, AWAY_S + 10)
                full = fill_the_disk(gateway, load)
                server.start()
                load.wait(max(100, CALLS - len(load.seen)))
            all_are_told(gateway, load, full)
    finally:
        server.close()
