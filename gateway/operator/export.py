"""Exchanges as a file. JSON lines come in slices of bounded size; Parquet is one piece that the engine makes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.core.errors import MalformedRequest
from gateway.plugin.traces import TraceDriver

FORMATS = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
SLICE_ROWS = 20_000
# The engine builds a Parquet file in memory, about 100 bytes a row.
MAX_PARQUET_ROWS = 2_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_ID = "00000000-0000-0000-0000-000000000000"
# Readers of Parquet know neither the engine's UUID nor its enumerations.
_ROWS = """
SELECT * EXCEPT ingested_at REPLACE (toString(id) AS id, toString(cache) AS cache) FROM exchanges
WHERE started_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
    AND (toUnixTimestamp64Micro(exchanges.started_at), exchanges.id) > ({since:Int64}, {after:UUID})
ORDER BY exchanges.started_at, exchanges.id
LIMIT {rows:UInt32}
"""
_COUNT = "SELECT count() AS rows FROM exchanges WHERE started_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')"


class _Edge(msgspec.Struct):
    started_at: datetime
    id: str


class _Count(msgspec.Struct):
    rows: int


class _Counts(msgspec.Struct):
    data: list[_Count]


async def export(
    driver: TraceDriver, file_format: str, since_us: int, *, slice_rows: int = SLICE_ROWS, most: int = MAX_PARQUET_ROWS
) -> AsyncGenerator[bytes, None]:
    """Give the file piece by piece, oldest exchange first.

    Args:
        driver: The engine.
        file_format: One of :data:`FORMATS`.
        since_us: Exchanges started at or after, microseconds since 1970.
        slice_rows: Rows of JSON lines in memory at a time.
        most: Rows that a Parquet file may have.

    Raises:
        MalformedRequest: There are more rows than fit into one Parquet file.
    """
    if file_format == "parquet":
        yield await _parquet(driver, since_us, most)
        return
    since, after = since_us, _FIRST_ID
    while True:
        params = {"since": str(since), "after": after, "rows": str(slice_rows)}
        piece = await driver.query(_ROWS, fmt="JSONEachRow", params=params)
        if piece:
            yield piece
        lines = piece.splitlines()
        if len(lines) < slice_rows:
            return
        last = msgspec.json.decode(lines[-1], type=_Edge)
        started_at = last.started_at if last.started_at.tzinfo else last.started_at.replace(tzinfo=UTC)
        since, after = (started_at - _EPOCH) // _MICROSECOND, last.id


async def _parquet(driver: TraceDriver, since_us: int, most: int) -> bytes:
    params = {"since": str(since_us), "after": _FIRST_ID, "rows": str(most)}
    counted = await driver.query(_COUNT, params={"since": params["since"]})
    rows = msgspec.json.decode(counted, type=_Counts).data[0].rows
    if rows > most:
        raise MalformedRequest(f"{rows} exchanges are more than one Parquet file takes ({most}): narrow 'since'.")
    return await driver.query(_ROWS, fmt="Parquet", params=params)
