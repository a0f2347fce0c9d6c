"""Exchanges as a file. JSON lines come in slices of bounded size; Parquet is one piece that the engine makes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.core.errors import MalformedRequest
from gateway.operator.filters import FOREVER_US, Filters, condition_of
from gateway.plugin.traces import TraceDriver

FORMATS = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
SLICE_ROWS = 20_000
# With bodies a row has up to 128 KiB, and more where the configuration says so.
SLICE_ROWS_WITH_BODIES = 200
# The engine builds a Parquet file in memory, about 100 bytes a row.
MAX_PARQUET_ROWS = 2_000_000
MAX_PARQUET_ROWS_WITH_BODIES = 50_000

# A slice is looked for in so much time, in half as much after one that was full, in twice as much after one that was
# not: whatever lies behind it is not even looked at.
_FIRST_SPAN_US, _LEAST_SPAN_US, _MOST_SPAN_US = 3_600_000_000, 1_000_000, 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_ID = "00000000-0000-0000-0000-000000000000"
# Readers of Parquet know neither the engine's UUID nor its enumerations. The marks are replaced by text of this module
# and of the filters', which is no caller's.
_ROWS = """
SELECT * EXCEPT ingested_at REPLACE (toString(id) AS id, toString(cache) AS cache) FROM exchanges
WHERE @where AND (toUnixTimestamp64Micro(exchanges.started_at), exchanges.id) > ({since:Int64}, {after:UUID})
ORDER BY exchanges.started_at, exchanges.id
LIMIT {rows:UInt32}
"""
# Bodies have the time of their exchange, so that only a few of them are looked at for a slice.
_WITH_BODIES = """
SELECT e.*, b.request_body AS request_body, b.response_body AS response_body
FROM (@rows) AS e
LEFT JOIN (
    SELECT toString(exchange_id) AS exchange_id, request_body, response_body FROM bodies
    WHERE started_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
        AND started_at < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
        AND exchange_id IN (SELECT toUUID(id) FROM (@rows))
) AS b ON b.exchange_id = e.id
ORDER BY e.started_at, e.id
"""
_EDGES = """
SELECT toUnixTimestamp64Micro(min(started_at)) AS first, toUnixTimestamp64Micro(max(started_at)) AS last FROM exchanges
"""
_COUNT = "SELECT count() AS rows FROM exchanges WHERE @where"


class _Row(msgspec.Struct):
    started_at: datetime
    id: str


class _Edge(msgspec.Struct):
    first: int
    last: int


class _Edges(msgspec.Struct):
    data: list[_Edge]


class _Count(msgspec.Struct):
    rows: int


class _Counts(msgspec.Struct):
    data: list[_Count]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be in the file.

    Attributes:
        file_format: One of :data:`FORMATS`.
        filters: Which exchanges.
        bodies: With what was captured of them.
    """

    file_format: str
    filters: Filters
    bodies: bool = False


async def export(
    driver: TraceDriver, wanted: Wanted, *, slice_rows: int = 0, most: int = 0
) -> AsyncGenerator[bytes, None]:
    """Give the file piece by piece, oldest exchange first.

    Args:
        driver: The engine.
        wanted: What is to be in it.
        slice_rows: Rows of JSON lines in memory at a time; 0 for what fits.
        most: Rows that a Parquet file may have; 0 for what fits.

    Raises:
        MalformedRequest: There are more rows than fit into one Parquet file, or a filter is none.
    """
    condition = condition_of(wanted.filters)
    sql = _WITH_BODIES.replace("@rows", _ROWS) if wanted.bodies else _ROWS
    since_us, until_us = await _edges(driver, wanted.filters)
    if wanted.file_format == "parquet":
        most = most or (MAX_PARQUET_ROWS_WITH_BODIES if wanted.bodies else MAX_PARQUET_ROWS)
        where, params = condition.within(since_us, until_us)
        await _check_fits(driver, _COUNT.replace("@where", where), params, most)
        params |= {"after": _FIRST_ID, "rows": str(most)}
        yield await driver.query(sql.replace("@where", where), fmt="Parquet", params=params)
        return
    slice_rows = slice_rows or (SLICE_ROWS_WITH_BODIES if wanted.bodies else SLICE_ROWS)
    after, span_us = _FIRST_ID, _FIRST_SPAN_US
    while since_us < until_us:
        end_us = min(since_us + span_us, until_us)
        where, params = condition.within(since_us, end_us)
        params |= {"after": after, "rows": str(slice_rows)}
        piece = await driver.query(sql.replace("@where", where), fmt="JSONEachRow", params=params)
        if piece:
            yield piece
        lines = piece.splitlines()
        if len(lines) < slice_rows:
            since_us, after, span_us = end_us, _FIRST_ID, min(span_us * 2, _MOST_SPAN_US)
        else:
            since_us, after = _end_of(lines[-1])
            span_us = max(span_us // 2, _LEAST_SPAN_US)


async def _edges(driver: TraceDriver, filters: Filters) -> tuple[int, int]:
    """The time in which there is anything to give."""
    edge = msgspec.json.decode(await driver.query(_EDGES), type=_Edges).data[0]
    return max(filters.since_us, edge.first), min(filters.until_us or FOREVER_US, edge.last + 1)


def _end_of(line: bytes) -> tuple[int, str]:
    row = msgspec.json.decode(line, type=_Row)
    started_at = row.started_at if row.started_at.tzinfo else row.started_at.replace(tzinfo=UTC)
    return (started_at - _EPOCH) // _MICROSECOND, row.id


async def _check_fits(driver: TraceDriver, sql: str, params: dict[str, str], most: int) -> None:
    rows = msgspec.json.decode(await driver.query(sql, params=params), type=_Counts).data[0].rows
    if rows > most:
        raise MalformedRequest(f"{rows} exchanges are more than one Parquet file takes ({most}): narrow 'since'.")
