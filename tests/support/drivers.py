"""Both drivers of the trace store, for tests that must hold for either."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.clients.chdb import ChdbClient
from gateway.clients.clickhouse import ClickHouseClient
from gateway.plugin.traces import TraceDriver
from tests.support.clickhouse_shim import ClickHouseShim
from tests.support.engine import engine_dir, fresh_database

DRIVERS = ("chdb", "clickhouse")


@functools.cache
def shim() -> ClickHouseShim:
    """One for all tests of the process; it ends with it."""
    server = ClickHouseShim()
    server.start()
    return server


def make(kind: str, database: str = "") -> TraceDriver:
    database = database or fresh_database()
    if kind == "chdb":
        return ChdbClient(engine_dir(), database=database)
    return ClickHouseClient(shim().url(database))


@asynccontextmanager
async def opened(kind: str, database: str = ""):
    driver = make(kind, database)
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


def with_driver(kind: str, scenario: Callable[[TraceDriver], Awaitable[None]]) -> None:
    """Run a scenario on a fresh database behind one of the drivers."""

    async def run() -> None:
        async with opened(kind) as driver:
            await scenario(driver)

    asyncio.run(run())
