"""Takes what would tell of an erased subject out of the trace store, and leaves all that is counted.

Rows that hold nothing else go; of the others, single columns are written anew. Each step may be done twice, and what
finds the rows goes last: whoever begins again after a crash finds the same ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from gateway.core.erasure import ERASED, USER_TAG, Erasure
from gateway.plugin.traces import TraceDriver

# Ids in one statement: the engine takes statements of 256 KiB.
BATCH = 5_000
_SYNC = "SETTINGS mutations_sync = 2"
_BY: dict[str, str] = {
    "session": "session_id = {value:String}",
    "key": "key_id = {value:String}",
    "id": "(toString(id) = {value:String}"
    " OR id IN (SELECT exchange_id FROM mirrors WHERE toString(mirror_of) = {value:String}))",
    "user": "(tags[{tag:String}] = {value:String}"
    " OR id IN (SELECT exchange_id FROM bodies WHERE user_id = {value:String}))",
    "tag": "tags[{tag:String}] = {value:String}",
}
# The same of somebody of whom only the digest is known.
_BY_DIGEST: dict[str, str] = {
    "session": "session_id != '' AND @(session_id) = {digest:String}",
    "key": "key_id != '' AND @(key_id) = {digest:String}",
    "id": "(@(toString(id)) = {digest:String} OR id IN"
    " (SELECT exchange_id FROM mirrors WHERE @(toString(mirror_of)) = {digest:String}))",
    "user": "(@(tags[{tag:String}]) = {digest:String}"
    " OR id IN (SELECT exchange_id FROM bodies WHERE user_id != '' AND @(user_id) = {digest:String}))",
    "tag": "mapContains(tags, {tag:String}) AND @(tags[{tag:String}]) = {digest:String}",
}
_FOUND = """
SELECT toString(id) AS id, toUnixTimestamp64Micro(started_at) AS at FROM exchanges
WHERE started_at <= fromUnixTimestamp64Micro({until:Int64}, 'UTC') AND @where ORDER BY started_at, id
"""
_SUMS = """
SELECT table FROM system.columns WHERE database = {database:String} AND name IN ('tag_key', 'tag_value')
    AND table NOT LIKE 'ingest%' AND table NOT LIKE '%\\_local' AND table NOT LIKE '%\\_next'
GROUP BY table HAVING count() = 2 ORDER BY table
"""
_BODIES = "SELECT count() FROM bodies WHERE exchange_id IN (@ids)"
# From within: outside, the condition would be about the new name.
_RENAMED = "SELECT * REPLACE ('erased' AS tag_value) FROM (SELECT * FROM @table WHERE @where) ORDER BY ALL"
Forget = Callable[[set[str]], Awaitable[int]]


async def found_rows(driver: TraceDriver, erasure: Erasure) -> list[dict[str, Any]]:
    """The exchanges that are theirs: ``id``, and ``at`` in microseconds since 1970."""
    where = (_BY if erasure.value else _BY_DIGEST)[erasure.kind]
    tag = USER_TAG if erasure.kind == "user" else erasure.name
    hashed = f"lower(hex(SHA256(concat('{erasure.kind}', char(0), {{name:String}}, char(0), "
    while "@(" in where:
        before, _, rest = where.partition("@(")
        inner, rest = _closed(rest)
        where = f"{before}{hashed}{inner}))))" + rest
    params = {"until": str(erasure.at_us), "value": erasure.value, "digest": erasure.digest, "tag": tag,
              "name": erasure.name}  # fmt: skip
    if erasure.tenant is not None:
        where += " AND tenant = {tenant:String}"
        params["tenant"] = erasure.tenant
    rows = await driver.query(_FOUND.replace("@where", where), params=params)
    return orjson.loads(rows)["data"]


async def count_bodies(driver: TraceDriver, rows: Sequence[dict[str, Any]]) -> int:
    """How many of some exchanges have bodies."""
    count = 0
    for start in range(0, len(rows), BATCH):
        ids = _ids(rows[start : start + BATCH])
        count += int(await driver.query(_BODIES.replace("@ids", ids), fmt="TSVRaw"))
    return count


async def erase_rows(driver: TraceDriver, erasure: Erasure, forget: Forget) -> int:
    """Erase all that is theirs.

    Args:
        driver: The store.
        erasure: Who.
        forget: Forgets the kept answers that some exchanges have brought.

    Returns:
        How many exchanges are theirs.
    """
    rows = await found_rows(driver, erasure)
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        await forget({row["id"] for row in batch})
        await _erase_batch(driver, erasure, batch)
    if erasure.value and erasure.kind in ("tag", "user"):
        await _rename_sums(driver, erasure)
    return len(rows)


async def _erase_batch(driver: TraceDriver, erasure: Erasure, rows: Sequence[dict[str, Any]]) -> None:
    ids = _ids(rows)
    between = (
        f"started_at BETWEEN fromUnixTimestamp64Micro({int(rows[0]['at'])}, 'UTC')"
        f" AND fromUnixTimestamp64Micro({int(rows[-1]['at'])}, 'UTC')"
    )
    theirs = f"WHERE {between} AND exchange_id IN ({ids}) {_SYNC}"
    delete = f"ALTER TABLE bodies DELETE {theirs}"
    if erasure.kind == "user":
        # A body may be all that says whose exchange it is: its row goes when the others have been written.
        await driver.command(f"ALTER TABLE bodies UPDATE request_body = NULL, response_body = NULL {theirs}")
    else:
        await driver.command(delete)
    await driver.command(f"ALTER TABLE guard_events UPDATE path = '', `start` = 0, `end` = 0 {theirs}")
    await driver.command(
        f"ALTER TABLE feedback UPDATE comment = '', label = '', author = '' WHERE exchange_id IN ({ids}) {_SYNC}"
    )
    names = {USER_TAG, erasure.name} - {""}
    told = ", ".join(_quoted(name) for name in sorted(names))
    tags = f"mapApply((k, v) -> (k, if(k IN ({told}), '{ERASED}', v)), tags)"
    await driver.command(
        f"ALTER TABLE exchanges UPDATE session_id = '', trace_id = '', span_id = '', tags = {tags}"
        f" WHERE {between} AND id IN ({ids}) {_SYNC}"
    )
    if erasure.kind == "user":
        await driver.command(delete)


async def _rename_sums(driver: TraceDriver, erasure: Erasure) -> None:
    """Give the sums of a tag's value another name; they are not one call less."""
    tag = USER_TAG if erasure.kind == "user" else erasure.name
    tables = orjson.loads(await driver.query(_SUMS, params={"database": driver.database}))["data"]
    for table in (row["table"] for row in tables):
        columns = orjson.loads(
            await driver.query(
                "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String}",
                params={"database": driver.database, "table": table},
            )
        )["data"]
        moment = next(name for name in ("minute", "hour", "day") if {"name": name} in columns)
        where = (
            f"tag_key = {_quoted(tag)} AND tag_value = {_quoted(erasure.value)}"
            f" AND {moment} <= toDateTime({erasure.at_us // 1_000_000}, 'UTC')"
        )
        if erasure.tenant is not None:
            where += f" AND tenant = {_quoted(erasure.tenant)}"
        rows = await driver.query(_RENAMED.replace("@table", table).replace("@where", where), fmt="JSONEachRow")
        if rows:
            # Should the rows of before outlive a crash, they are the same ones, and so is the token.
            await driver.insert_lines(table, rows, f"erase-{erasure.id}-{table}")
            await driver.command(f"ALTER TABLE {table} DELETE WHERE {where} {_SYNC}")


def _ids(rows: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"'{row['id']}'" for row in rows)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _closed(text: str) -> tuple[str, str]:
    """Cut after the bracket that closes one that is open."""
    depth = 1
    for index, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if not depth:
            return text[:index], text[index + 1 :]
    raise ValueError(text)
