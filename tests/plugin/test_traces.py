"""What every driver of a trace store keeps; run on all of them."""

from __future__ import annotations

import orjson
import pytest

from gateway.clients.clickhouse_rules import MOST_GUEST_ROWS
from gateway.core.errors import StoreRejected, StoreUnavailable
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver

pytestmark = pytest.mark.parametrize("kind", DRIVERS)

TABLE = """
CREATE TABLE t (a Int64, b String DEFAULT 'none', c Nullable(Float64), d Array(Tuple(x Int64, y String)))
ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100
"""


async def rows(driver: TraceDriver, sql: str, **params: str) -> list:
    return orjson.loads(await driver.query(sql, fmt="JSONCompact", params=params))["data"]


def test_rows_come_back_with_whole_numbers_as_numbers_and_instants_in_utc(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        sql = "SELECT toInt64(9007199254740993) AS n, NULL AS nothing, toDateTime64(1.5, 6, 'UTC') AS at"
        document = orjson.loads(await driver.query(sql))
        assert document["data"] == [{"n": 9007199254740993, "nothing": None, "at": "1970-01-01T00:00:01.500000Z"}]

    with_driver(kind, scenario)


@pytest.mark.parametrize(
    "value", ["", "plain", "it's", 'a"b', "back\\slash \\n", "tab\there", "new\nline", "ü €", "'); --"]
)
def test_a_parameter_arrives_as_it_was_given(kind: str, value: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        assert await rows(driver, "SELECT {value:String}", value=value) == [[value]]

    with_driver(kind, scenario)


def test_statements_find_tables_of_their_own_database(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await driver.command(TABLE)
        assert await rows(driver, "SELECT currentDatabase()") == [[driver.database]]
        assert await rows(
            driver, "SELECT database FROM system.tables WHERE name = 't' AND database = currentDatabase()"
        )

    with_driver(kind, scenario)


def test_opening_twice_is_opening_once(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await driver.command(TABLE)
        await driver.open()
        assert await rows(driver, "SELECT count() FROM t") == [[0]]

    with_driver(kind, scenario)


def test_lines_are_inserted_with_defaults_and_without_unknown_fields(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await driver.command(TABLE)
        lines = b'{"a":1,"later":{"x":[1]}}\n{"a":2,"b":"q\\"\\u00fc","c":null,"d":[{"y":"z","x":7},{"x":8}]}\n'
        await driver.insert_lines("t", lines, "one")
        assert await rows(driver, "SELECT a, b, c, d.x, d.y FROM t ORDER BY a") == [
            [1, "none", None, [], []],
            [2, 'q"ü', None, [7, 8], ["z", ""]],
        ]

    with_driver(kind, scenario)


def test_the_same_token_counts_once_and_another_one_counts(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await driver.command(TABLE)
        for token in ("spool:w-1-0.ndjson:0-9", "spool:w-1-0.ndjson:0-9", "spool:w-1-0.ndjson:9-18"):
            await driver.insert_lines("t", b'{"a":1}\n', token)
        assert await rows(driver, "SELECT count() FROM t") == [[2]]

    with_driver(kind, scenario)


def test_a_token_that_could_be_sql_is_refused(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await driver.command(TABLE)
        with pytest.raises(ValueError, match="token"):
            await driver.insert_lines("t", b'{"a":1}\n', "x', async_insert = 1, y='")

    with_driver(kind, scenario)


@pytest.mark.parametrize(
    "bad",
    [
        b'{"a":"secret-text"}',
        b'{"a":1,"c":"secret-text"}',
        b"[1]",
        b'{"a":',
        b'{"a":1,"d":[{"x":"secret-text"}]}',
        b"secret-text",
    ],
)
def test_bad_data_is_rejected_whole_and_its_text_stays_out_of_the_error(kind: str, bad: bytes) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await driver.command(TABLE)
        with pytest.raises(StoreRejected) as caught:
            await driver.insert_lines("t", b'{"a":1}\n' + bad + b"\n" + b'{"a":3}\n', "one")
        assert "secret" not in str(caught.value)
        assert await rows(driver, "SELECT count() FROM t") == [[0]]

    with_driver(kind, scenario)


def test_a_missing_table_is_the_stores_trouble_and_not_the_datas(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        with pytest.raises(StoreUnavailable):
            await driver.insert_lines("absent", b'{"a":1}\n', "one")

    with_driver(kind, scenario)


@pytest.mark.parametrize("sql", ["SELECT nope", "SELECT FROM", "SELECT * FROM absent"])
def test_a_statement_that_cannot_be_is_rejected_with_the_engines_reason(kind: str, sql: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        with pytest.raises(StoreRejected) as caught:
            await driver.query(sql)
        assert caught.value.engine_code in (47, 60, 62)
        assert "version" not in caught.value.public_message
        with pytest.raises(StoreRejected):
            await driver.command(sql.replace("SELECT", "DROP"))

    with_driver(kind, scenario)


@pytest.mark.parametrize("guest", [False, True])
def test_reading_changes_nothing(kind: str, guest: bool) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await driver.command(TABLE)
        for sql in ("DROP TABLE t", "INSERT INTO t (a) VALUES (1)", "TRUNCATE TABLE t", "SET readonly = 0"):
            with pytest.raises(StoreRejected):
                await driver.query(sql, guest=guest)
        assert await rows(driver, "SELECT count() FROM t") == [[0]]

    with_driver(kind, scenario)


def test_a_guest_is_given_the_first_rows_and_runs_into_a_limit_of_memory(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        many = "SELECT number FROM numbers(200000)"
        for sql in (many, f"{many} UNION ALL SELECT 1", f"{many} ORDER BY number DESC LIMIT 20000"):
            given = await driver.query(sql, fmt="TSVRaw", guest=True)
            assert given.count(b"\n") == MOST_GUEST_ROWS + 1
        assert await driver.query(f"SELECT sum(number) FROM ({many})", fmt="TSVRaw", guest=True) == b"19999900000\n"
        with pytest.raises(StoreRejected):
            await driver.query("SELECT groupArray(number) FROM numbers(200000000)", guest=True)
        assert await driver.query("SELECT 1", fmt="TSVRaw", guest=True) == b"1\n"

    with_driver(kind, scenario)
