"""One schema for a server and for a cluster: what a statement becomes where tables are spread over many nodes.

A table ``t`` of the schema is two there: ``t_local`` holds rows, on every node, replicated within its shard; ``t``
stands in front of all of them under the name that every query knows. A line that is put into ``ingest`` goes to the
shard that its id says, and the views fan it out on that node, so that all rows of an exchange are on one shard. A
slice that is sent again is cut into the same pieces under the same token, and each shard knows whether it has its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.core.errors import Misconfigured

# What makes inserts and queries of tables that stand for many right rather than quick: an insert is over when every
# shard has its rows, and a subquery is asked of all of them, not only of the shard where it is needed.
CLUSTER_INSERT_SETTINGS: dict[str, int | str] = {"distributed_foreground_insert": 1}
CLUSTER_READ_SETTINGS: dict[str, int | str] = {"distributed_product_mode": "global"}
# A copy from table to table stays on its shard. Of a node that is away one hears before the client gives up.
CLUSTER_COMMAND_SETTINGS: dict[str, int | str] = {
    "distributed_ddl_task_timeout": 45,
    "distributed_foreground_insert": 1,
    "parallel_distributed_insert_select": 2,
}

# By which column rows find their shard; sums are put down where their lines are.
_SHARDED_BY = {
    **dict.fromkeys(("ingest", "exchanges", "audit"), "cityHash64(id)"),
    **dict.fromkeys(("attempts", "guard_events", "mirrors", "bodies", "feedback"), "cityHash64(exchange_id)"),
    "schema_migrations": "version",
}
_WINDOW = re.compile(r"\bnon_replicated_deduplication_window = \d+")
# A store that was away for days is sent what it may have had before.
_REPLICATED_WINDOW = "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"

_CREATE_TABLE = re.compile(
    r"CREATE TABLE (?P<guard>IF NOT EXISTS )?(?P<name>\w+)\s*(?P<columns>\(.*\))\s*"
    r"ENGINE = (?P<engine>\w+)(?P<rest>.*)",
    re.DOTALL,
)
_CREATE_VIEW = re.compile(
    r"CREATE MATERIALIZED VIEW (?P<guard>IF NOT EXISTS )?(?P<name>\w+) TO (?P<target>\w+) AS\s(?P<select>.*)", re.DOTALL
)
_FROM = re.compile(r"\bFROM (\w+)")
_DROP = re.compile(r"DROP (?P<kind>TABLE|VIEW) (?P<guard>IF EXISTS )?(?P<name>\w+)")
_ALTER = re.compile(r"ALTER TABLE (?P<name>\w+) (?P<change>.*)", re.DOTALL)
_EXCHANGE = re.compile(r"EXCHANGE TABLES (?P<one>\w+) AND (?P<other>\w+)")
_DELETE = re.compile(r"DELETE FROM (?P<name>\w+) (?P<which>WHERE .*)", re.DOTALL)
_OPTIMIZE = re.compile(r"OPTIMIZE TABLE (?P<name>\w+)(?P<rest>.*)", re.DOTALL)
_COLUMNS = re.compile(r"\bCOLUMN\b")
# These are told to the tables in front, as they are.
_PLAIN = re.compile(r"(?:INSERT|SELECT|WITH|EXISTS)\b")


class Cluster:
    """Says statements of the schema to a cluster.

    Args:
        name: The cluster, as the servers' configuration calls it.
        database: Where the tables are, on every node.

    Raises:
        Misconfigured: The name is none.
    """

    def __init__(self, name: str, database: str) -> None:
        if re.fullmatch(r"[A-Za-z0-9_.-]+", name) is None:
            raise Misconfigured("A cluster's name is letters, digits, '_', '.' and '-'.")
        self.name = name
        self._database = database
        self._everywhere = f"ON CLUSTER '{name}'"
        self._forms: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], list[str]]], ...] = (
            (_CREATE_TABLE, self._create_table),
            (_CREATE_VIEW, self._create_view),
            (_DROP, self._drop),
            (_ALTER, self._alter),
            (_EXCHANGE, self._exchange),
            (_DELETE, lambda found: [self._to_rows("DELETE FROM", found, found["which"])]),
            (_OPTIMIZE, lambda found: [self._to_rows("OPTIMIZE TABLE", found, found["rest"].strip()).rstrip()]),
        )

    def create_database(self) -> str:
        """The statement that makes the database on every node."""
        return f"CREATE DATABASE IF NOT EXISTS {self._database} {self._everywhere}"

    def statements(self, sql: str) -> list[str]:
        """What a statement becomes, in order.

        Args:
            sql: A statement as a single server takes it, tables without a database.

        Raises:
            Misconfigured: Nobody has said yet what that means on a cluster.
        """
        text = sql.strip()
        for form, become in self._forms:
            if found := form.fullmatch(text):
                return become(found)
        if _PLAIN.match(text):
            return [text]
        raise Misconfigured(f"A statement that no cluster is told: {text[:60]}.")

    def _create_table(self, found: re.Match[str]) -> list[str]:
        name, engine, rest = found["name"], found["engine"], found["rest"]
        if engine.endswith("MergeTree"):
            # Where its parts are noted is for the servers' configuration to say.
            engine, rest = f"Replicated{engine}", _WINDOW.sub(_REPLICATED_WINDOW, rest)
        guard = found["guard"] or ""
        local = (
            f"CREATE TABLE {guard}{self._rows(name)} {self._everywhere}\n{found['columns']}\nENGINE = {engine}{rest}"
        )
        return [local, self._front(f"CREATE TABLE {guard}", name)]

    def _create_view(self, found: re.Match[str]) -> list[str]:
        sources: list[str] = _FROM.findall(found["select"])
        if len(sources) != 1:
            raise Misconfigured(f"A view of more than one table is told to no cluster: {found['name']}.")
        source = sources[0]
        select = _FROM.sub(f"FROM {self._rows(source)} AS {source}", found["select"])
        view = f"CREATE MATERIALIZED VIEW {found['guard'] or ''}{self._database}.{found['name']} {self._everywhere}"
        return [f"{view} TO {self._rows(found['target'])} AS\n{select}"]

    def _drop(self, found: re.Match[str]) -> list[str]:
        drop = f"DROP {found['kind']} {found['guard'] or ''}"
        front = f"{drop}{self._database}.{found['name']} {self._everywhere} SYNC"
        if found["kind"] == "VIEW":
            return [front]
        return [front, f"{drop}{self._rows(found['name'])} {self._everywhere} SYNC"]

    def _alter(self, found: re.Match[str]) -> list[str]:
        changed = self._to_rows("ALTER TABLE", found, found["change"])
        return [changed, self._renewed(found["name"])] if _COLUMNS.search(found["change"]) else [changed]

    def _exchange(self, found: re.Match[str]) -> list[str]:
        one, other = found["one"], found["other"]
        both = f"EXCHANGE TABLES {self._rows(one)} AND {self._rows(other)} {self._everywhere}"
        return [both, self._renewed(one), self._renewed(other)]

    def _to_rows(self, verb: str, found: re.Match[str], rest: str) -> str:
        return f"{verb} {self._rows(found['name'])} {self._everywhere} {rest}"

    def _rows(self, name: str) -> str:
        return f"{self._database}.{name}_local"

    def _renewed(self, name: str) -> str:
        """What stands in front has columns of its own, and gets those that its tables have now."""
        return self._front("CREATE OR REPLACE TABLE ", name)

    def _front(self, create: str, name: str) -> str:
        place = f"'{self.name}', '{self._database}', '{name}_local', {sharded_by(name)}"
        return (
            f"{create}{self._database}.{name} {self._everywhere} AS {self._rows(name)}\nENGINE = Distributed({place})"
        )


def sharded_by(table: str) -> str:
    """The expression that says to which shard a row of a table goes that is put in from outside."""
    return _SHARDED_BY.get(table.removesuffix("_next"), "rand()")
