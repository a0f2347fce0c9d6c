from __future__ import annotations

import pytest

from gateway.operator.retention import TABLES, keep
from gateway.operator.schema import migrate
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver

DAY_S = 86_400


@pytest.mark.parametrize("kind", DRIVERS)
def test_every_table_keeps_its_rows_as_long_as_it_is_told_and_is_changed_once(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver)
        ages = dict.fromkeys(TABLES, 7 * DAY_S)
        told = {table for tables, _ in TABLES.values() for table in tables}
        assert set(await keep(driver, ages)) == told
        assert await keep(driver, ages) == []
        assert await keep(driver, {"exchanges": 8 * DAY_S}) == ["exchanges"]

    with_driver(kind, scenario)


def test_what_the_schema_says_already_and_what_nobody_says_is_left_alone() -> None:
    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver)
        assert await keep(driver, {"exchanges": 90 * DAY_S, "spend": 750 * DAY_S, "rules": 400 * DAY_S}) == []
        assert await keep(driver, {}) == []

    with_driver("chdb", scenario)


def test_rows_that_are_older_go() -> None:
    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver)
        for team, days in (("a", 10), ("b", 1)):
            at = f"now() - INTERVAL {days} DAY"
            await driver.command(
                f"INSERT INTO exchanges (id, started_at, team) SELECT generateUUIDv4(), {at}, '{team}'"
            )
        await keep(driver, {"exchanges": 5 * DAY_S})
        await driver.command("OPTIMIZE TABLE exchanges FINAL")
        assert await driver.query("SELECT team FROM exchanges", fmt="TSVRaw") == b"b\n"

    with_driver("chdb", scenario)
