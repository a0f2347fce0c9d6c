from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import orjson
import pytest

from gateway.clients.chdb import ChdbClient
from gateway.core.errors import MalformedRequest
from gateway.operator.export import Wanted, export
from gateway.operator.filters import Filters
from gateway.operator.store import TraceStore
from tests.support.engine import engine_dir, fresh_database
from tests.support.operator_plane import exchange
from tests.support.parquet import read_parquet

NOW_US = 1_790_000_000_000_000
EVERYTHING = Filters()


async def exported(
    rows: int, file_format: str, *, bodies: bool = False, filters: Filters = EVERYTHING, **limits: int
) -> list[bytes]:
    driver = ChdbClient(Path(engine_dir()), database=fresh_database())
    store = TraceStore(driver)
    await store.start()
    wanted = Wanted(file_format=file_format, filters=filters, bodies=bodies)
    try:
        # Three exchanges begin at each moment, so that slices end between equals.
        records = [exchange(started_us=NOW_US + number // 3, key_id=str(number)) for number in range(rows)]
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        if lines:
            await store.insert(lines, "export")
        return [piece async for piece in export(driver, wanted, **limits)]
    finally:
        await store.close()


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 16])
def test_slices_make_one_file_without_gap_or_repeat(rows: int) -> None:
    pieces = asyncio.run(exported(rows, "jsonl", slice_rows=4))
    found = [orjson.loads(line) for piece in pieces for line in piece.splitlines()]
    assert sorted(row["key_id"] for row in found) == sorted(str(number) for number in range(rows))
    assert [row["started_at"] for row in found] == sorted(row["started_at"] for row in found)
    assert all(piece.count(b"\n") <= 4 for piece in pieces)


def test_older_exchanges_are_left_out() -> None:
    pieces = asyncio.run(exported(9, "jsonl", filters=Filters(since_us=NOW_US + 2)))
    assert {orjson.loads(line)["key_id"] for line in b"".join(pieces).splitlines()} == {"6", "7", "8"}


def test_parquet_is_one_file_with_the_same_rows(tmp_path: Path) -> None:
    [piece] = asyncio.run(exported(9, "parquet", filters=Filters(since_us=NOW_US + 1)))
    rows = read_parquet(piece, tmp_path)
    assert sorted(row["key_id"] for row in rows) == ["3", "4", "5", "6", "7", "8"]
    assert all(isinstance(row["id"], str) and len(row["id"]) == 36 for row in rows)


def test_more_than_one_parquet_file_holds_is_refused_not_cut() -> None:
    with pytest.raises(MalformedRequest, match="9 exchanges are more"):
        asyncio.run(exported(9, "parquet", most=8))
