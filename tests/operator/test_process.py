from __future__ import annotations

import asyncio
import dataclasses
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from gateway.clients.chdb import ChdbClient
from gateway.clients.clickhouse import ClickHouseClient
from gateway.config.alerting import Alerts
from gateway.core.alerts import AlertRule, UnknownPrice
from gateway.core.errors import Misconfigured, StoreUnavailable
from gateway.core.recorded import WANTED_FILE, Wanted
from gateway.operator.audit import Actor, AuditLog
from gateway.operator.plane import Plane
from gateway.operator.process import OnceOpen, OperatorOptions, keep_open, open_driver, run_operator
from gateway.operator.store import TraceStore
from tests.support.clock import ManualClock
from tests.support.operator_plane import OperatorPlane, exchange
from tests.support.waiting import until


class Away:
    """A driver whose store is away until it is let in."""

    database = "weighbridge"
    shared = False

    def __init__(self) -> None:
        self.is_away = True
        self.opened = 0

    async def open(self) -> None:
        self.opened += 1
        self._check()

    async def close(self) -> None: ...

    async def command(self, sql: str) -> None:
        self._check()

    async def query(
        self, sql: str, *, fmt: str = "JSON", params: Mapping[str, str] | None = None, guest: bool = False
    ) -> bytes:
        self._check()
        return b"0\n" if fmt == "TSVRaw" else b'{"data":[]}'

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        self._check()

    def _check(self) -> None:
        if self.is_away:
            raise StoreUnavailable("The trace store cannot be reached.")


def options(tmp_path: Path, **changes: Any) -> OperatorOptions:
    plain = OperatorOptions(
        host="127.0.0.1",
        port=0,
        token=None,
        traces_url="clickhouse://user:password@127.0.0.1:1/db",
        spool_dir=tmp_path / "spool",
        run_dir=tmp_path / "run",
    )
    return dataclasses.replace(plain, **changes)


def test_urls_name_their_drivers(tmp_path: Path) -> None:
    assert isinstance(open_driver(f"chdb://{tmp_path}"), ChdbClient)
    assert isinstance(open_driver("clickhouse://user:password@host:8123/weighbridge"), ClickHouseClient)
    for url in ("", "chdb://", "sqlite://hidden", "/hidden/path", "clickhouse://", "clickhouse://:hidden@/"):
        with pytest.raises(Misconfigured) as caught:
            open_driver(url)
        assert "hidden" not in caught.value.public_message


def test_options_do_not_show_their_secrets(tmp_path: Path) -> None:
    assert "password" not in repr(options(tmp_path))
    assert "hidden" not in repr(options(tmp_path, token="hidden"))


def test_the_store_is_opened_as_soon_as_it_can_be_and_watched(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock, driver = ManualClock(), Away()
        plane = Plane(tmp_path, clock)
        tried = asyncio.Event()

        async def pass_time(seconds: float) -> None:
            for _ in range(20):
                await asyncio.sleep(0)
            clock.advance(seconds)
            for _ in range(20):
                await asyncio.sleep(0)

        task = asyncio.get_running_loop().create_task(keep_open(plane, TraceStore(driver), tried))
        await tried.wait()
        assert (plane.health.up, plane.health.errors) == (False, {"open": 1})
        assert plane.health.last_error == "The trace store cannot be reached."
        with pytest.raises(StoreUnavailable):
            await OnceOpen(plane).insert(b"{}\n", "token")
        await pass_time(0.6)
        assert plane.health.errors == {"open": 2}
        driver.is_away = False
        await pass_time(1.1)
        assert (plane.health.up, plane.health.last_error, driver.opened) == (True, "", 3)
        await OnceOpen(plane).insert(b"{}\n", "token")
        driver.is_away = True
        await pass_time(5.1)
        assert (plane.health.up, plane.health.errors) == (False, {"open": 2, "query": 1})
        driver.is_away = False
        await pass_time(5.1)
        assert plane.health.up
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


@pytest.mark.integration
def test_what_was_spooled_is_shipped_before_the_operator_stops(tmp_path: Path) -> None:
    plane = OperatorPlane(tmp_path)
    # The store is open, and what is left to do takes far less than the time that there is for it.
    until(lambda: plane.get("/readyz")[0] == 200 or None)
    plane.append([exchange() for _ in range(2_000)])
    assert plane.stop() == 0
    assert not (plane.run_dir / "operator.json").exists()
    plane = OperatorPlane(tmp_path)
    try:
        until(lambda: plane.get("/readyz")[0] == 200 or None)
        _, answer = plane.post("/api/sql", {"query": "SELECT count() AS n, uniqExact(id) AS ids FROM exchanges"})
        assert answer["rows"] == [{"n": 2_000, "ids": 2_000}]
        assert plane.get("/api/status")[1]["shipper"]["shipped_lines"] == 0
    finally:
        plane.stop()


@pytest.mark.integration
def test_a_killed_operator_loses_and_doubles_nothing(tmp_path: Path) -> None:
    plane = OperatorPlane(tmp_path)
    ids = plane.record(exchange(), exchange())
    plane.append([exchange() for _ in range(500)])
    plane.process.kill()
    plane.stop()
    plane = OperatorPlane(tmp_path)
    try:
        query = {"query": "SELECT count() AS n, uniqExact(id) AS ids FROM exchanges"}
        wanted = [{"n": 502, "ids": 502}]
        until(lambda: plane.post("/api/sql", query)[1]["rows"] == wanted or None)
        assert plane.get(f"/api/exchanges/{ids[0]}")[0] == 200
    finally:
        plane.stop()


@pytest.mark.integration
def test_without_its_store_the_plane_is_degraded_not_dead(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        plane = OperatorPlane(tmp_path, traces_url=f"clickhouse://user:hidden@127.0.0.1:{held.getsockname()[1]}/db")
        try:
            plane.append([exchange()])
            assert plane.get("/healthz") == (200, {"status": "degraded"})
            assert plane.get("/readyz") == (503, {"status": "degraded"})
            status, said = plane.get("/api/exchanges")
            assert (status, said["error"]["code"]) == (503, "store_unavailable")
            assert plane.get("/api/tail")[0] == 503

            def waiting() -> bool | None:
                text = plane.ask("GET", "/metrics")[1].decode()
                assert "weighbridge_store_up 0\n" in text
                return True if "weighbridge_shipper_lag_bytes 0\n" not in text else None

            until(waiting)
            _, told = plane.get("/api/status")
            assert told["store"]["last_error"]
            until(lambda: plane.get("/api/status")[1]["shipper"]["last_error"])
            assert "hidden" not in orjson.dumps(told).decode() + plane.log.read_text()
        finally:
            assert plane.stop() == 0


def test_ctrl_c_and_reload_are_the_supervisors_business(plane: OperatorPlane) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        plane.process.send_signal(number)
        assert plane.get("/healthz")[0] == 200
    assert plane.process.poll() is None


@pytest.mark.integration
def test_a_supervisor_that_dies_takes_the_operator_along(tmp_path: Path) -> None:
    plane = OperatorPlane(tmp_path)
    record = exchange()
    plane.append([record])
    plane.abandon()
    assert plane.process.wait(30) == 0
    plane.stop()


@pytest.mark.integration
def test_open_streams_do_not_hold_the_operator_up(tmp_path: Path) -> None:
    plane = OperatorPlane(tmp_path)
    until(lambda: plane.get("/readyz")[0] == 200 or None)
    with socket.create_connection(("127.0.0.1", plane.port), timeout=60) as watcher:
        watcher.sendall(b"GET /api/tail HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert watcher.recv(4096).startswith(b"HTTP/1.1 200")
        plane.process.send_signal(signal.SIGTERM)
        assert plane.process.wait(30) == 0
        rest = b""
        while piece := watcher.recv(4096):
            rest += piece
        assert rest.endswith(b"0\r\n\r\n"), "the stream is ended, not cut"
    plane.stop()


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"cannot listen on 127.0.0.1:{port}"):
            asyncio.run(run_operator(options(tmp_path, port=port)))


def test_an_event_stops_it_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.005, stop.set)
        await run_operator(options(tmp_path), stop=stop, make_driver=lambda _url: Away())

    before = signal.getsignal(signal.SIGINT)
    asyncio.run(scenario())
    assert signal.getsignal(signal.SIGINT) is before


class Slow(Away):
    """A driver whose store takes its time to open, and then is there or is away."""

    def __init__(self, *, is_away: bool) -> None:
        super().__init__()
        self.is_away = is_away
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.tables: set[str] = set()

    async def open(self) -> None:
        self.asked.set()
        await self.answers.wait()
        await super().open()

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        await super().insert_lines(table, data, token)
        self.tables.add(table)


@pytest.mark.parametrize("is_away", [False, True])
def test_a_store_that_is_about_to_open_is_no_news_and_one_that_stays_away_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, is_away: bool
) -> None:
    # Each has something to do in the store as soon as it can.
    rule = AlertRule(id="unpriced", what=UnknownPrice(calls=1, within_s=3600))
    given = options(tmp_path, alerts=Alerts(rules=(rule,), every_s=60.0) if is_away else None)
    AuditLog(tmp_path, ManualClock()).record(Actor(who="ann", role="eraser"), "key.create", "k")
    given.run_dir.mkdir()
    wanted = Wanted(asked="1", edges=(0, 1), tags=False, segments={})
    (given.run_dir / WANTED_FILE).write_bytes(msgspec.json.encode(wanted))

    def said() -> set[str]:
        return {each.getMessage().partition(":")[0] for each in caplog.records if each.levelname == "WARNING"}

    async def scenario() -> None:
        driver, stop = Slow(is_away=is_away), asyncio.Event()
        running = asyncio.ensure_future(run_operator(given, stop=stop, make_driver=lambda _url: driver))
        await driver.asked.wait()
        for _ in range(20):
            await asyncio.to_thread(said)
        assert said() == set()
        driver.answers.set()
        news = {"the trace store cannot be opened", "erasing", "audit", "alerts cannot be looked at", "limits"}
        async with asyncio.timeout(60):
            while said() != news if is_away else "audit" not in driver.tables:
                await asyncio.sleep(0.01)
        assert is_away or said() == set()
        stop.set()
        await running

    asyncio.run(scenario())
