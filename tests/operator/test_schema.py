from __future__ import annotations

import asyncio

import msgspec
import orjson
import pytest

from gateway.core.errors import Misconfigured, StoreUnavailable
from gateway.operator.schema import Migration, from_nothing, migrate, parse_migration, shipped_migrations
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, make, with_driver


def migration(version: int, *statements: str) -> Migration:
    return parse_migration(f"{version:04}_test.sql", ";\n".join(statements) + ";\n")


def test_shipped_files_are_numbered_without_a_gap() -> None:
    assert [one.version for one in shipped_migrations()] == list(range(1, len(shipped_migrations()) + 1))


def test_statements_end_at_a_semicolon_at_the_end_of_a_line_and_comments_are_left_out() -> None:
    text = "-- what; it is\nSELECT ';', 1;\n\nSELECT\n  2  ;  \n-- the end;\n"
    assert parse_migration("0007_some_thing.sql", text).statements == ("SELECT ';', 1", "SELECT\n  2")
    assert parse_migration("0007_some_thing.sql", text).name == "some_thing"


@pytest.mark.parametrize("name", ["1_x.sql", "0001-x.sql", "0001_x.txt", "0001_X.sql"])
def test_a_file_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="migration"):
        parse_migration(name, "")


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_fresh_store_gets_every_table_and_a_second_start_changes_nothing(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        assert await migrate(driver) == [one.version for one in shipped_migrations()]
        assert await migrate(driver) == []
        shown = orjson.loads(await driver.query("SHOW TABLES"))["data"]
        assert {row["name"] for row in shown} >= {
            "ingest",
            "exchanges",
            "attempts",
            "guard_events",
            "mirrors",
            "bodies",
            "feedback",
            "spend_by_minute",
            "spend_by_tag_minute",
            "spend_by_hour",
            "spend_by_key_day",
            "latency_by_minute",
            "rules_by_minute",
            "latency_by_hour",
            "schema_migrations",
        }

    with_driver(kind, scenario)


def test_a_migration_that_failed_half_way_is_done_again() -> None:
    create = "CREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = Memory"

    async def scenario(driver: TraceDriver) -> None:
        with pytest.raises(Exception, match="absent"):
            await migrate(driver, [migration(1, create, "ALTER TABLE absent DELETE WHERE 1")])
        assert await migrate(
            driver, [migration(1, create, "CREATE TABLE IF NOT EXISTS b (x Int8) ENGINE = Memory")]
        ) == [1]

    with_driver("chdb", scenario)


def test_every_file_may_be_run_again_after_a_start_that_was_cut_at_its_end() -> None:
    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver)
        for one in shipped_migrations()[9:]:
            for statement in one.statements:
                await driver.command(statement)

    with_driver("chdb", scenario)


def test_a_later_file_is_applied_to_an_older_store() -> None:
    first = migration(1, "CREATE TABLE a (x Int8) ENGINE = Memory")

    async def scenario(driver: TraceDriver) -> None:
        assert await migrate(driver, [first]) == [1]
        assert await migrate(driver, [first, migration(2, "ALTER TABLE a COMMENT COLUMN x 'y'")]) == [2]

    with_driver("chdb", scenario)


def test_a_store_of_a_later_version_is_left_alone() -> None:
    first = migration(1, "CREATE TABLE a (x Int8) ENGINE = Memory")

    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver, [first, migration(2, "SELECT 1")])
        with pytest.raises(Misconfigured, match=r"version 2, .* \(it knows 1\)"):
            await migrate(driver, [first])

    with_driver("chdb", scenario)


def test_a_file_that_was_changed_after_it_was_applied_is_noticed() -> None:
    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver, [migration(1, "CREATE TABLE a (x Int8) ENGINE = Memory")])
        with pytest.raises(Misconfigured, match="version 1"):
            await migrate(driver, [migration(1, "CREATE TABLE a (x Int16) ENGINE = Memory")])

    with_driver("chdb", scenario)


@pytest.mark.parametrize(("kind", "cut"), [("chdb", 1), ("chdb", 5), ("chdb", 6), ("chdb", 14), ("clickhouse", 12)])
def test_spend_of_before_is_whole_after_the_tables_were_made_anew(kind: str, cut: int) -> None:
    shipped = shipped_migrations()
    at = next(number for number, one in enumerate(shipped) if one.name == "spend_sources")
    before, anew = shipped[:at], shipped[at]
    columns = "minute, tenant, key_id, calls, cost_nanousd"
    row = "(toDateTime('2026-11-01 00:00:00', 'UTC'), 'acme', 'k1', 1, 10)"
    sums = "SELECT sum(calls), sum(cost_nanousd), any(usage_source) FROM"

    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver, before)
        for table in ("spend_by_minute", "spend_by_tag_minute"):
            await driver.command(f"SYSTEM STOP MERGES {table}")
            # Equal rows in parts of their own: what a copy could take for the same one sent twice.
            for _ in range(3):
                copy = f"INSERT INTO {table} ({columns}) SETTINGS insert_deduplicate = 0 SELECT {row}.1, {row}.2"
                await driver.command(copy + f", {row}.3, {row}.4, {row}.5")
        half = msgspec.structs.replace(anew, statements=(*anew.statements[:cut], "SELECT * FROM absent"))
        with pytest.raises(Exception, match="absent"):
            await migrate(driver, [*before, half])
        assert await migrate(driver, shipped) == [one.version for one in shipped[at:]]
        for table in ("spend_by_minute", "spend_by_tag_minute"):
            assert (await driver.query(f"{sums} {table}", fmt="TSVRaw")).split() == [b"3", b"30"]

    with_driver(kind, scenario)


def test_of_two_gateways_that_start_on_one_server_one_changes_the_schema_and_the_other_waits() -> None:
    steps: list[str] = []

    async def scenario(driver: TraceDriver) -> None:
        await driver.command("CREATE TABLE schema_lock (at DateTime) ENGINE = Null")
        with pytest.raises(StoreUnavailable, match="Another gateway"):
            await migrate(driver)
        assert not int(await driver.query("EXISTS TABLE exchanges", fmt="TSVRaw"))
        await driver.command("DROP TABLE schema_lock")
        first = make("clickhouse", driver.database)
        await first.open()

        async def tries(one: TraceDriver) -> None:
            while True:
                try:
                    steps.extend(str(version) for version in await migrate(one))
                except StoreUnavailable:
                    await asyncio.sleep(0.01)
                else:
                    return

        try:
            await asyncio.gather(tries(first), tries(driver))
        finally:
            await first.close()
        assert steps == [str(one.version) for one in shipped_migrations()]
        assert not int(await driver.query("EXISTS TABLE schema_lock", fmt="TSVRaw"))

    with_driver("clickhouse", scenario)


def test_a_lock_that_a_killed_gateway_left_is_broken_when_nobody_can_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.operator.schema._STALE_S", -60)

    async def scenario(driver: TraceDriver) -> None:
        await driver.command("CREATE TABLE schema_lock (at DateTime) ENGINE = Null")
        with pytest.raises(StoreUnavailable):
            await migrate(driver)
        assert await migrate(driver)

    with_driver("clickhouse", scenario)


def test_a_change_that_failed_leaves_no_lock() -> None:
    async def scenario(driver: TraceDriver) -> None:
        with pytest.raises(Exception, match="absent"):
            await migrate(driver, [migration(1, "ALTER TABLE absent DELETE WHERE 1")])
        assert await migrate(driver, [migration(1, "SELECT 1")]) == [1]

    with_driver("clickhouse", scenario)


_TABLES = """
SELECT name, replaceAll(create_table_query, {database:String}, 'db') AS made FROM system.tables
WHERE database = {database:String} AND name NOT IN ('schema_migrations', 'there') ORDER BY name
"""


@pytest.mark.parametrize("kind", DRIVERS)
def test_an_empty_database_gets_what_all_files_one_after_the_other_make(kind: str) -> None:
    made: list[object] = []

    async def scenario(driver: TraceDriver, *, empty: bool) -> None:
        if not empty:
            # Somebody began here.
            await driver.command("CREATE TABLE there (x UInt8) ENGINE = Null")
        await migrate(driver)
        found = await driver.query(_TABLES, params={"database": driver.database})
        ledger = await driver.query("SELECT version, name, digest FROM schema_migrations ORDER BY version")
        made.append((orjson.loads(found)["data"], orjson.loads(ledger)["data"]))

    for empty in (True, False):
        with_driver(kind, lambda driver, empty=empty: scenario(driver, empty=empty))
    assert made[0] == made[1]
    assert len(from_nothing(shipped_migrations())) < 70


def test_columns_are_not_added_before_what_needs_the_table_without_them() -> None:
    one = migration(
        1, "CREATE TABLE a (x UInt8)", "ALTER TABLE a ADD COLUMN y UInt8", "ALTER TABLE a ADD COLUMN z UInt8"
    )
    two = migration(2, "INSERT INTO b SELECT * FROM a", "ALTER TABLE a ADD COLUMN w UInt8, MODIFY COLUMN x UInt16")
    assert from_nothing([one, two]) == [
        "CREATE TABLE a (x UInt8)",
        "ALTER TABLE a ADD COLUMN y UInt8, ADD COLUMN z UInt8",
        "INSERT INTO b SELECT * FROM a",
        "ALTER TABLE a ADD COLUMN w UInt8, MODIFY COLUMN x UInt16",
    ]


def test_a_view_that_is_made_anew_is_made_once_in_its_last_form() -> None:
    made = "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS SELECT"
    steps = migration(1, "DROP VIEW IF EXISTS v", f"{made} 1"), migration(2, "DROP VIEW IF EXISTS v", f"{made} 2")
    assert from_nothing(list(steps)) == [f"{made} 2"]
