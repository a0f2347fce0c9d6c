"""How long rows are kept, table by table, and what some columns say: the store deletes and empties by itself.

What nobody has said stays as it is, as the schema made it or as somebody has set it on the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from gateway.plugin.traces import TraceDriver

_STARTED, _CREATED = "toDateTime(started_at)", "toDateTime(created_at)"
# Which tables a word of the configuration stands for, and what tells the age of their rows.
TABLES: dict[str, dict[str, str]] = {
    "exchanges": {"exchanges": _STARTED},
    "attempts": {"attempts": _STARTED},
    "guard_events": {"guard_events": _STARTED},
    "mirrors": {"mirrors": _STARTED},
    "bodies": {"bodies": _STARTED},
    "feedback": {"feedback": _CREATED},
    "spend": {"spend_by_minute": "minute", "spend_by_tag_minute": "minute"},
    "spend_hours": {"spend_by_hour": "hour"},
    "spend_days": {"spend_by_key_day": "day"},
    "latency": {"latency_by_minute": "minute"},
    "latency_hours": {"latency_by_hour": "hour"},
    "rules": {"rules_by_minute": "minute"},
    "drift": {"drift_hours": "hour", "drift_findings": "at"},
}
# Columns that may be emptied before their row goes: who it was and what was said, nothing that is counted. A word is
# the table and the column, with a dot.
COLUMNS: dict[str, tuple[str, ...]] = {
    "exchanges": ("key_id", "session_id", "tags", "trace_id", "span_id"),
    "bodies": ("user_id", "request_body", "response_body"),
    "feedback": ("comment", "author"),
}
# On a cluster the rows are in other tables than those that queries name.
_TABLES = """
SELECT replaceRegexpOne(name, '_local$', '') AS table, create_table_query AS sql
FROM system.tables WHERE database = {database:String} AND engine LIKE '%MergeTree'
"""
_AGE = r"TTL (?:toDateTime\(\w+\)|\w+) \+ toInterval(Second|Day)\((\d+)\)"
# That of the table stands behind its order, that of a column before the next one's name.
_OF_TABLE = re.compile(rf"\bORDER BY .*?\b{_AGE}", re.DOTALL)
_OF_COLUMN = r"`@name` [^`]*?\b" + _AGE
_SECONDS = {"Second": 1, "Day": 86_400}


class _Created(msgspec.Struct):
    table: str
    sql: str


class _Rows(msgspec.Struct):
    data: list[_Created]


async def keep(driver: TraceDriver, ages_s: Mapping[str, int]) -> list[str]:
    """Have tables keep their rows for so long, and columns what they say.

    Args:
        driver: The store, opened and brought up to date.
        ages_s: Seconds, by the words of :data:`TABLES` and :data:`COLUMNS`.

    Returns:
        The tables that were changed, and the columns, with their tables' names before them.
    """
    rows = await driver.query(_TABLES, params={"database": driver.database})
    created = {row.table: row.sql for row in msgspec.json.decode(rows, type=_Rows).data}
    changed: list[str] = []
    for word, age_s in ages_s.items():
        table, _, column = word.partition(".")
        ages = {table: TABLES[table][table]} if column else TABLES[word]
        for name, age_of in ages.items():
            if name not in created or _kept_s(created[name], column) == age_s:
                continue
            what = f"MODIFY COLUMN {column} " if column else "MODIFY "
            await driver.command(f"ALTER TABLE {name} {what}TTL {age_of} + toIntervalSecond({age_s})")
            changed.append(f"{name}.{column}" if column else name)
    return changed


def _kept_s(sql: str, column: str) -> int | None:
    found = re.search(_OF_COLUMN.replace("@name", column), sql) if column else _OF_TABLE.search(sql)
    return None if found is None else int(found[2]) * _SECONDS[found[1]]
