"""Erasing, from the wish to the end: noted, audited, done in files at once, in the store when it can be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from gateway.clients.clock import SystemClock
from gateway.core.errors import MalformedRequest, StoreUnavailable
from gateway.operator.audit import Actor, AuditLog
from gateway.operator.erasing import Erasing, subjects
from gateway.operator.erasures import FILE, ErasureBook
from gateway.operator.store import TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.clock import ManualClock
from tests.support.drivers import with_driver
from tests.support.records import lines, record
from tests.support.shipping import writer

ANN = Actor(who="ann", role="eraser")


async def forget(ids: set[str]) -> int:
    return len(ids)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "Say whom"),
        ({"dry_run": True}, "Say whom"),
        ({"name": "x"}, "'name' is not known"),
        ({"session": ""}, "'session' takes a text"),
        ({"user": ["a", 5]}, "'user' takes a text"),
        ({"tag": "a"}, "NAME=VALUE"),
        ({"user": "a", "tenant": 5}, "'tenant' must be a text"),
        ({"user": "a", "dry_run": "yes"}, "'dry_run' must be"),
    ],
)
def test_whom_is_read_with_care(document: dict, problem: str) -> None:
    with pytest.raises(MalformedRequest, match=problem):
        subjects(document, 1_000)


def test_a_subject_goes_from_the_spool_at_once_and_from_the_store_once_it_is_there(tmp_path: Path) -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        await store.insert(
            lines(record(session_id="ada", request_body="words in the store", cost_nanousd=7)), "s:w:0-1"
        )
        spool_dir = tmp_path / "spool"
        spool = writer(spool_dir, segment_bytes=1 << 20)
        spool.append(lines(record(session_id="ada", request_body="words in the spool")).rstrip(b"\n"))
        away = [True]

        def open_driver() -> TraceDriver:
            if away[0]:
                raise StoreUnavailable("Not open.")
            return driver

        clock = SystemClock()
        erasing = Erasing(ErasureBook(spool_dir), AuditLog(tmp_path, clock), open_driver, forget, clock)
        with pytest.raises(StoreUnavailable):
            await erasing.erase(ANN, {"session": "ada", "dry_run": True})
        assert not (spool_dir / FILE).exists()
        done = await erasing.erase(ANN, {"session": "ada"})
        assert (done["pending"], done["spool_lines"], done["exchanges"]) == (True, 1, 0)
        assert b"words in the spool" not in next(spool_dir.glob("*.ndjson")).read_bytes()
        change = orjson.loads((tmp_path / "audit" / "audit.jsonl").read_bytes())
        assert (change["who"], change["action"], "ada" in change["after"]) == ("ann", "traces.erase", False)

        away[0] = False
        run = asyncio.get_running_loop().create_task(erasing.run())
        async with asyncio.timeout(30):
            while b'"value":"ada"' in (spool_dir / FILE).read_bytes():
                await asyncio.sleep(0.01)
        run.cancel()
        assert orjson.loads(await driver.query("SELECT count() AS n FROM bodies"))["data"] == [{"n": 0}]
        assert orjson.loads(await driver.query("SELECT sum(cost_nanousd) AS n FROM exchanges"))["data"] == [{"n": 7}]

        # Another gateway on the same store learns of it, and its late lines are erased.
        other = ErasureBook(tmp_path / "other")
        learning = Erasing(other, AuditLog(tmp_path / "b", clock), open_driver, forget, ManualClock())
        task = asyncio.get_running_loop().create_task(learning.run())
        async with asyncio.timeout(30):
            while not other.eraser or other.pending:
                await asyncio.sleep(0.01)
        task.cancel()
        late = lines(record(session_id="ada", request_body="late words", started_us=1)).rstrip(b"\n")
        assert b"late words" not in (other.eraser.line(late) or b"late words")

    with_driver("chdb", scenario)
