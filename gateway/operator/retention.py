"""How long rows are kept, table by table: the store deletes them by itself, part by part.

What nobody has said stays as it is, as the schema made it or as somebody has set it on the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from gateway.plugin.traces import TraceDriver

# Which tables a word of the configuration stands for, and what tells the age of their rows.
TABLES: dict[str, tuple[tuple[str, ...], str]] = {
    "exchanges": (("exchanges",), "toDateTime(started_at)"),
    "attempts": (("attempts",), "toDateTime(started_at)"),
    "guard_events": (("guard_events",), "toDateTime(started_at)"),
    "mirrors": (("mirrors",), "toDateTime(started_at)"),
    "bodies": (("bodies",), "toDateTime(started_at)"),
    "feedback": (("feedback",), "toDateTime(created_at)"),
    "spend": (("spend_by_minute", "spend_by_tag_minute"), "minute"),
    "latency": (("latency_by_minute",), "minute"),
    "rules": (("rules_by_minute",), "minute"),
}
# On a cluster the rows are in other tables than those that queries name.
_CREATED = """
SELECT replaceRegexpOne(name, '_local$', '') AS table, create_table_query AS sql
FROM system.tables WHERE database = {database:String} AND engine LIKE '%MergeTree'
"""
_TTL = re.compile(r"\bTTL (?:toDateTime\(\w+\)|\w+) \+ toInterval(Second|Day)\((\d+)\)")
_SECONDS = {"Second": 1, "Day": 86_400}


class _Created(msgspec.Struct):
    table: str
    sql: str


class _Rows(msgspec.Struct):
    data: list[_Created]


async def keep(driver: TraceDriver, ages_s: Mapping[str, int]) -> list[str]:
    """Have tables keep their rows for so long.

    Args:
        driver: The store, opened and brought up to date.
        ages_s: Seconds, by the words of :data:`TABLES`.

    Returns:
        The tables that were changed.
    """
    rows = await driver.query(_CREATED, params={"database": driver.database})
    created = {row.table: row.sql for row in msgspec.json.decode(rows, type=_Rows).data}
    changed: list[str] = []
    for word, age_s in ages_s.items():
        tables, age_of = TABLES[word]
        for table in tables:
            if table in created and _kept_s(created[table]) != age_s:
                await driver.command(f"ALTER TABLE {table} MODIFY TTL {age_of} + toIntervalSecond({age_s})")
                changed.append(table)
    return changed


def _kept_s(sql: str) -> int | None:
    found = _TTL.search(sql)
    return None if found is None else int(found[2]) * _SECONDS[found[1]]
