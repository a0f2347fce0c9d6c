from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import cast

import orjson
import pytest
from chdb.session import Session

from gateway.clients.clickhouse_cluster import CLUSTER_READ_SETTINGS, Cluster, sharded_by
from gateway.core.errors import Misconfigured
from gateway.operator import schema
from gateway.operator.schema import migrate, shipped_migrations
from gateway.plugin.traces import TraceDriver
from tests.support.engine import engine_dir
from tests.support.records import lines, record

CLUSTER = Cluster("prod", "weighbridge")


class Listed:
    """What a cluster is told when a gateway starts on it: a fresh one, or one where somebody began before."""

    database = "weighbridge"
    shared = False

    def __init__(self, *, fresh: bool) -> None:
        self.statements: list[str] = []
        self._fresh = fresh

    async def command(self, sql: str) -> None:
        self.statements += CLUSTER.statements(sql)

    async def query(self, _sql: str, *, fmt: str = "", **_options: object) -> bytes:
        return b"%d" % (not self._fresh) if fmt == "TSVRaw" else b'{"data":[]}'

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        del table, data, token


def all_statements(*, fresh: bool = False) -> list[str]:
    listed = Listed(fresh=fresh)
    asyncio.run(migrate(cast("TraceDriver", listed)))
    return listed.statements


@pytest.mark.parametrize(
    ("sql", "become"),
    [
        (
            (
                "CREATE TABLE IF NOT EXISTS bodies (exchange_id UUID) ENGINE = MergeTree ORDER BY exchange_id\n"
                "SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1"
            ),
            [
                (
                    "CREATE TABLE IF NOT EXISTS weighbridge.bodies_local ON CLUSTER 'prod'\n(exchange_id UUID)\n"
                    "ENGINE = ReplicatedMergeTree ORDER BY exchange_id\nSETTINGS replicated_deduplication_window = "
                    "10000, replicated_deduplication_window_seconds = 604800, ttl_only_drop_parts = 1"
                ),
                (
                    "CREATE TABLE IF NOT EXISTS weighbridge.bodies ON CLUSTER 'prod' AS weighbridge.bodies_local\n"
                    "ENGINE = Distributed('prod', 'weighbridge', 'bodies_local', cityHash64(exchange_id))"
                ),
            ],
        ),
        (
            "CREATE MATERIALIZED VIEW v TO bodies AS\nSELECT ingest.id FROM ingest\nWHERE ingest.v",
            [
                (
                    "CREATE MATERIALIZED VIEW weighbridge.v ON CLUSTER 'prod' TO weighbridge.bodies_local AS\n"
                    "SELECT ingest.id FROM weighbridge.ingest_local AS ingest\nWHERE ingest.v"
                )
            ],
        ),
        (
            "ALTER TABLE bodies MODIFY TTL toDateTime(started_at) + toIntervalSecond(1)",
            [
                (
                    "ALTER TABLE weighbridge.bodies_local ON CLUSTER 'prod'"
                    " MODIFY TTL toDateTime(started_at) + toIntervalSecond(1)"
                )
            ],
        ),
        (
            "ALTER TABLE exchanges ADD COLUMN x UInt8",
            [
                "ALTER TABLE weighbridge.exchanges_local ON CLUSTER 'prod' ADD COLUMN x UInt8",
                (
                    "CREATE OR REPLACE TABLE weighbridge.exchanges ON CLUSTER 'prod' AS weighbridge.exchanges_local\n"
                    "ENGINE = Distributed('prod', 'weighbridge', 'exchanges_local', cityHash64(id))"
                ),
            ],
        ),
        ("DROP VIEW IF EXISTS v", ["DROP VIEW IF EXISTS weighbridge.v ON CLUSTER 'prod' SYNC"]),
        (
            "DROP TABLE t",
            [
                "DROP TABLE weighbridge.t ON CLUSTER 'prod' SYNC",
                "DROP TABLE weighbridge.t_local ON CLUSTER 'prod' SYNC",
            ],
        ),
        (
            "DELETE FROM bodies WHERE tenant = 'a'",
            ["DELETE FROM weighbridge.bodies_local ON CLUSTER 'prod' WHERE tenant = 'a'"],
        ),
        ("OPTIMIZE TABLE bodies", ["OPTIMIZE TABLE weighbridge.bodies_local ON CLUSTER 'prod'"]),
        ("INSERT INTO a SELECT * FROM b", ["INSERT INTO a SELECT * FROM b"]),
    ],
)
def test_what_a_statement_becomes(sql: str, become: list[str]) -> None:
    assert CLUSTER.statements(sql) == become


@pytest.mark.parametrize(
    "sql",
    [
        "RENAME TABLE a TO b",
        "TRUNCATE TABLE a",
        "CREATE TABLE a AS b",
        "CREATE MATERIALIZED VIEW v TO a AS SELECT 1 FROM b WHERE x IN (SELECT y FROM c)",
    ],
)
def test_a_statement_that_nobody_thought_of_is_refused_rather_than_told_to_one_node(sql: str) -> None:
    with pytest.raises(Misconfigured):
        CLUSTER.statements(sql)


@pytest.mark.parametrize("name", ["", "a'b", "a b"])
def test_a_name_that_would_end_the_text_around_it_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured):
        Cluster(name, "weighbridge")


def test_every_statement_that_is_shipped_is_known_and_is_sql() -> None:
    statements = all_statements()
    assert len(statements) > sum(len(one.statements) for one in shipped_migrations())
    session = Session(str(engine_dir()))
    for statement in (CLUSTER.create_database(), *statements, *all_statements(fresh=True)):
        assert session.query(f"EXPLAIN AST {statement}", "TSVRaw").bytes(), statement
        assert statement.startswith("INSERT") or "ON CLUSTER 'prod'" in statement
    session.close()


def test_rows_replicate_and_hold_tokens_for_a_week_wherever_they_lie() -> None:
    holding = [one for one in all_statements() if re.search(r"ENGINE = \w*MergeTree", one)]
    assert len(holding) > 10
    assert all("_local ON CLUSTER" in one and "ENGINE = Replicated" in one for one in holding)
    assert all("replicated_deduplication_window_seconds = 604800" in one for one in holding)
    assert not any("non_replicated" in one for one in holding)


def test_rows_of_an_exchange_go_to_the_shard_of_its_line() -> None:
    for one in shipped_migrations():
        for statement in one.statements:
            if not (found := re.match(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", statement)):
                continue
            key = sharded_by(found[1])
            if "\n    exchange_id UUID" in statement:
                assert key == "cityHash64(exchange_id)", found[1]
            elif "\n    id UUID" in statement:
                assert key == "cityHash64(id)", found[1]
            else:
                assert key == "rand()", found[1]
    assert "ORDER BY version" in schema.LEDGER
    assert sharded_by("schema_migrations") == "version"


# The embedded engine knows clusters that a file names, and a node that is itself; it has no Keeper, and no queue of
# statements for all nodes. So what is left out here is the word Replicated, and the words ON CLUSTER.
_CONFIG = """
    <clickhouse><tcp_port>9000</tcp_port><remote_servers><prod><shard><internal_replication>true</internal_replication>
    <replica><host>127.0.0.1</host><port>9000</port></replica></shard></prod></remote_servers></clickhouse>
"""
_SCRIPT = """
    import sys, orjson
    from chdb.session import Session

    home, told = sys.argv[1], orjson.loads(sys.stdin.buffer.read())
    session = Session(f"{home}/store?config-file={home}/cluster.xml")
    for statement in told["statements"]:
        session.query(statement)
        session.query("USE weighbridge")
    for name, value in told["settings"].items():
        session.query(f"SET {name} = '{value}'")
    for _ in range(3):
        for token, lines in told["slices"].items():
            insert = f"INSERT INTO ingest SETTINGS insert_deduplication_token = '{token}'"
            with session.send_insert(insert, "JSONEachRow") as into:
                into.append(lines.encode())
                into.finish()
    print("\\n".join(session.query(query, "TSVRaw").bytes().decode().strip() for query in told["queries"]))
"""


def test_lines_that_go_through_the_tables_in_front_are_in_every_table_once(tmp_path: Path) -> None:
    (tmp_path / "cluster.xml").write_text(textwrap.dedent(_CONFIG))
    statements = [CLUSTER.create_database(), *all_statements(fresh=True)]
    plain = [
        re.sub(r" ON CLUSTER 'prod'( SYNC)?", "", one).replace("ENGINE = Replicated", "ENGINE = ") for one in statements
    ]
    window = "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
    plain = [one.replace(window, "non_replicated_deduplication_window = 2000") for one in plain]
    answered = "id IN (SELECT exchange_id FROM attempts WHERE status = 200)"
    told = {
        "statements": plain,
        "settings": CLUSTER_READ_SETTINGS | {"distributed_foreground_insert": 1},
        "slices": {f"s:w-1-0.ndjson:{at}-{at + 1}": lines(record(), record()).decode() for at in range(2)},
        "queries": [
            "SELECT count(), uniqExact(id) FROM exchanges",
            "SELECT count() FROM attempts",
            "SELECT count() FROM guard_events",
            "SELECT sum(calls), sum(input_tokens) FROM spend_by_minute",
            "SELECT sum(calls), quantilesTDigestMerge(0.5, 0.9, 0.95, 0.99)(ttft_ms)[1] > 0 FROM latency_by_minute",
            f"SELECT count() FROM exchanges WHERE {answered}",
            "SELECT engine FROM system.tables WHERE database = 'weighbridge' AND name = 'exchanges'",
        ],
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_SCRIPT), str(tmp_path)],
        input=orjson.dumps(told),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert done.stdout.decode().splitlines() == ["4\t4", "4", "4", "4\t400", "4\t1", "4", "Distributed"]
