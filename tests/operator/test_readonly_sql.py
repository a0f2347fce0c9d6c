from __future__ import annotations

import asyncio
import functools
from pathlib import Path

import pytest

from gateway.core.errors import StoreRejected
from gateway.operator.readonly_sql import ReadonlySql
from gateway.operator.schema import migrate
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import make, with_driver


@functools.cache
def readonly_sql(kind: str) -> ReadonlySql:
    """One a driver for all tests of this file: its list of functions takes longer to read than a test."""

    async def opened() -> TraceDriver:
        driver = make(kind)
        await driver.open()
        await migrate(driver)
        return driver

    return ReadonlySql(asyncio.run(opened()))


def with_sql(scenario) -> None:
    readonly = readonly_sql("chdb")
    asyncio.run(scenario(readonly))


ALLOWED = [
    "SELECT 1",
    "select count() from exchanges -- how many",
    "SELECT * FROM exchanges LIMIT 1;",
    "/* x */ SELECT team, sum(input_tokens) AS n FROM exchanges GROUP BY team HAVING n > 1 ORDER BY n DESC LIMIT 3",
    "SELECT e.id, a.kind FROM exchanges AS e LEFT JOIN attempts AS a ON a.exchange_id = e.id WHERE team = 'file(1)'",
    "WITH slow AS (SELECT id FROM exchanges WHERE duration_ms > 10) SELECT count() FROM slow",
    "SELECT quantilesTDigestMerge(0.5, 0.9, 0.95, 0.99)(ttft_ms) FROM latency_by_minute",
    "SELECT uniqIf(id, stream), countDistinct(team), sumOrNull(cost_nanousd), avgIf(1, stream) FROM exchanges",
    "SELECT arrayMap(x -> x + 1, [1, 2]), mapKeys(tags), if(stream, 1, 2), toStartOfHour(started_at) FROM exchanges",
    "SELECT row_number() OVER (PARTITION BY team ORDER BY started_at) FROM exchanges",
    "SELECT 1 UNION ALL SELECT 2",
    "SELECT number FROM numbers(3) WHERE number IN (SELECT 1)",
    "SELECT * EXCEPT (id) REPLACE (upper(team) AS team) FROM exchanges",
    "SELECT toString(id)::String, CAST(chunks AS Int8), interval 1 day, CASE chunks WHEN 2 THEN '' END FROM exchanges",
    "SELECT exists(SELECT 1), formatReadableSize(1024), toTypeName(1)",
    "SELECT name FROM system.columns WHERE table = 'exchanges' LIMIT 1",
    "(SELECT 1)",
    "SHOW TABLES",
    "DESCRIBE exchanges",
    "SHOW CREATE TABLE bodies",
    "EXPLAIN SELECT * FROM exchanges",
    "EXPLAIN SYNTAX SELECT 1",
]

REFUSED = [
    "",
    "SELECT",
    "nonsense of no kind",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE exchanges",
    "DROP TABLE exchanges",
    "INSERT INTO exchanges (team) VALUES ('x')",
    "INSERT INTO FUNCTION file('x.csv') SELECT 1",
    "CREATE TABLE x (a Int8) ENGINE = File(CSV)",
    "CREATE VIEW v AS SELECT file('/etc/hostname')",
    "ALTER TABLE exchanges DELETE WHERE 1",
    "TRUNCATE TABLE exchanges",
    "OPTIMIZE TABLE exchanges",
    "SET readonly = 0",
    "USE system",
    "SYSTEM FLUSH LOGS",
    "KILL QUERY WHERE 1",
    "GRANT ALL ON *.* TO default",
    "BACKUP TABLE exchanges TO File('x')",
    "ATTACH TABLE q FROM '/tmp' (a Int8) ENGINE = File(CSV)",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SHOW TABLES FROM system",
    "SHOW TABLES INTO OUTFILE '{out}'",
    "DESCRIBE file('{secret}')",
    "DESCRIBE system.processes",
    "DESCRIBE s3('http://127.0.0.1:1/a/b.csv')",
    "EXPLAIN SELECT file('{secret}')",
    "EXPLAIN header = 1 SELECT 1",
    "EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'a', 'b', 'c', 'd') PARTITION BY a",
    "SELECT file('{secret}')",
    "SELECT `file`('{secret}')",
    "SELECT 1, (SELECT file('{secret}'))",
    "WITH file('{secret}') AS x SELECT x",
    "SELECT arrayMap(file, ['{secret}'])",
    "SELECT arrayMap(`file`, ['{secret}'])",
    "SELECT arrayMap(x -> file(x), ['{secret}'])",
    "SELECT arrayFold((a, x) -> file(x), ['{secret}'], '')",
    "SELECT * APPLY(file) FROM (SELECT '{secret}' AS a)",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{secret}' AS a)",
    "SELECT COLUMNS('a') APPLY(file) FROM (SELECT '{secret}' AS a)",
    "SELECT * REPLACE (file(a) AS a) FROM (SELECT '{secret}' AS a)",
    "SELECT sum(1) OVER (PARTITION BY file('{secret}'))",
    "SELECT 1 ORDER BY file('{secret}')",
    "SELECT 1 FROM exchanges ARRAY JOIN [file('{secret}')] AS x",
    "SELECT 1 FROM exchanges LIMIT 1 BY file('{secret}')",
    "SELECT 1 FROM exchanges QUALIFY file('{secret}') = ''",
    "SELECT 1 WHERE 1 IN (file('{secret}'))",
    "SELECT 1 WHERE '1' IN file('{secret}')",
    "SELECT * FROM file('{secret}', 'LineAsString')",
    "SELECT * FROM `file`('{secret}', 'LineAsString')",
    "SELECT * FROM view(SELECT file('{secret}'))",
    "SELECT * FROM (SELECT * FROM file('{secret}', 'LineAsString'))",
    "SELECT 1 UNION ALL SELECT * FROM file('{secret}', 'LineAsString')",
    "SELECT 1 FROM exchanges JOIN file('{secret}', 'LineAsString') AS f ON 1 = 1",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM `{secret}`",
    "SELECT * FROM default.`{secret}`",
    "SELECT 1 WHERE 'x' IN default.`{secret}`",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/key.csv')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM sqlite('{secret}', 't')",
    "SELECT * FROM executable('x.sh', 'TSV', 'a Int8')",
    "SELECT * FROM Python(secret)",
    "SELECT * FROM merge('system', '.*')",
    "SELECT * FROM input('a Int8')",
    "SELECT * FROM system.processes",
    "SELECT * FROM information_schema.tables",
    "SELECT 1 WHERE 'x' IN system.databases",
    "SELECT dictGet('x', 'y', 1)",
    "SELECT joinGet('x', 'y', 1)",
    "SELECT getSetting('readonly')",
    "SELECT getServerSetting('path')",
    "SELECT filesystemAvailable()",
    "SELECT aiGenerate('x', 'y')",
    "SELECT sleep(1)",
    "SELECT 1 FORMAT CSV",
    "SELECT 1 INTO OUTFILE '{out}'",
    "SELECT 1 INTO OUTFILE '{out}' FORMAT CSV",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT * FROM exchanges SETTINGS max_execution_time = 1000",
    "SELECT {parameter:String}",
    "SELECT 1 AS `a\n  Function sum (children 1)`, file('{secret}')",
    "SELECT `x\n        Asterisk` FROM file('{secret}')",
    "SELECT 1) INTO OUTFILE '{out}' --",
    "SELECT 1 /* */ ; /* */ SELECT 2",
    "SELECT '\\', file('{secret}'), '",
]


@pytest.mark.parametrize("sql", ALLOWED)
def test_a_query_of_the_trace_tables_runs(sql: str) -> None:
    async def scenario(readonly: ReadonlySql) -> None:
        assert (await readonly.run(sql)).columns

    with_sql(scenario)


@pytest.mark.parametrize("sql", REFUSED)
def test_anything_else_is_refused_before_it_runs_and_reads_and_writes_no_file(sql: str, tmp_path: Path) -> None:
    secret, out = tmp_path / "secret", tmp_path / "out"
    secret.write_text("hidden-text")
    sql = sql.replace("{secret}", str(secret)).replace("{out}", str(out))

    async def scenario(readonly: ReadonlySql) -> None:
        with pytest.raises(StoreRejected) as caught:
            await readonly.checked(sql)
        assert "hidden-text" not in str(caught.value)
        with pytest.raises(StoreRejected):
            await readonly.run(sql)

    with_sql(scenario)
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_file_function_would_have_read_the_file_without_the_check(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden-text")

    async def scenario(driver: TraceDriver) -> None:
        # Shows that the list above tests something: the engine's own read-only mode does not stop this.
        assert b"hidden-text" in await driver.query(f"SELECT file('{secret}')", guest=True)

    with_driver("chdb", scenario)


def test_what_was_checked_is_what_runs() -> None:
    async def scenario(readonly: ReadonlySql) -> None:
        text = "select  1 /* x */ , 'it''s' -- file('x')"
        assert await readonly.checked(text) == "SELECT 1, 'it\\'s'"
        assert (await readonly.run(text)).rows == [{"1": 1, "'it\\'s'": "it's"}]

    with_sql(scenario)


def test_a_statement_without_end_is_refused() -> None:
    async def scenario(readonly: ReadonlySql) -> None:
        with pytest.raises(StoreRejected, match="characters"):
            await readonly.run("SELECT " + "1+" * 100_000 + "1")

    with_sql(scenario)


def test_an_empty_answer_still_names_its_columns() -> None:
    async def scenario(readonly: ReadonlySql) -> None:
        table = await readonly.run("SELECT id, team FROM exchanges WHERE false")
        assert (table.columns, table.rows) == (["id", "team"], [])

    with_sql(scenario)


def test_the_same_checks_stand_in_front_of_a_server() -> None:
    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver)
        readonly = ReadonlySql(driver)
        assert (await readonly.run("SELECT count() AS n FROM exchanges")).columns == ["n"]
        for sql in ("SELECT file('x')", "SELECT 1; SELECT 2", "SELECT * FROM url('http://127.0.0.1:1/')"):
            with pytest.raises(StoreRejected):
                await readonly.run(sql)

    with_driver("clickhouse", scenario)
