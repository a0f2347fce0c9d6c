from __future__ import annotations

from typing import get_type_hints

import pytest

from gateway.config.schema import KeepColumnsSpec, KeepSpec
from gateway.operator.retention import COLUMNS, TABLES, keep
from gateway.operator.schema import migrate
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver

DAY_S = 86_400


@pytest.mark.parametrize("kind", DRIVERS)
def test_every_table_keeps_its_rows_as_long_as_it_is_told_and_is_changed_once(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver)
        ages = dict.fromkeys(TABLES, 7 * DAY_S)
        columns = {f"{table}.{name}": 3 * DAY_S for table, names in COLUMNS.items() for name in names}
        told = {table for tables in TABLES.values() for table in tables}
        assert set(await keep(driver, {**ages, **columns})) == told | columns.keys()
        assert await keep(driver, {**columns, **ages}) == []
        assert await keep(driver, {"exchanges": 8 * DAY_S, "exchanges.tags": 3 * DAY_S}) == ["exchanges"]
        assert await keep(driver, {"exchanges": 8 * DAY_S, "exchanges.tags": 4 * DAY_S}) == ["exchanges.tags"]

    with_driver(kind, scenario)


def test_what_is_older_goes_and_what_nobody_says_is_left_alone() -> None:
    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver)
        assert await keep(driver, {"exchanges": 90 * DAY_S, "spend": 750 * DAY_S, "rules": 400 * DAY_S}) == []
        assert await keep(driver, {}) == []
        await keep(driver, {"exchanges": 9 * DAY_S, "exchanges.tags": 5 * DAY_S, "bodies.request_body": 5 * DAY_S})
        for team, days in (("a", 10), ("b", 6), ("c", 1)):
            at = f"now() - INTERVAL {days} DAY"
            call = f"generateUUIDv4(), {at}, '{team}', 's', map('k', 'v')"
            await driver.command(f"INSERT INTO exchanges (id, started_at, team, session_id, tags) SELECT {call}")
            body = f"generateUUIDv4(), {at}, 'asked', '{team}'"
            await driver.command(
                f"INSERT INTO bodies (exchange_id, started_at, request_body, response_body) SELECT {body}"
            )
        for table in ("exchanges", "bodies"):
            await driver.command(f"OPTIMIZE TABLE {table} FINAL")
        left = await driver.query("SELECT team, session_id, tags FROM exchanges ORDER BY team", fmt="TSVRaw")
        assert left == b"b\ts\t{}\nc\ts\t{'k':'v'}\n"
        said = await driver.query("SELECT response_body, request_body FROM bodies ORDER BY response_body", fmt="TSVRaw")
        assert said == b"a\t\\N\nb\t\\N\nc\tasked\n"

    with_driver("chdb", scenario)


def test_every_word_of_the_configuration_is_one_of_these() -> None:
    words = KeepSpec.model_fields.keys() - {"columns"}
    assert words == TABLES.keys() - {"bodies"}
    kinds = get_type_hints(KeepColumnsSpec)
    assert {name: tuple(kinds[name].model_fields) for name in KeepColumnsSpec.model_fields} == COLUMNS
