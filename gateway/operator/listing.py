"""Lists of exchanges, newest first, page by page, whatever the store's size.

The store is read backwards in spans of time, short ones first: whoever asks for the newest hundred calls reads
the last hour, and only who asks for something rare reads on. Spans do not overlap, so rows that are put together of
several are in order, and a page begins where the one before ended, whatever has arrived since.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec
import orjson

from gateway.core.errors import MalformedRequest
from gateway.operator.filters import FOREVER_US, Filters, condition_of
from gateway.plugin.traces import TraceDriver

Row = dict[str, Any]

MAX_ROWS = 1000
HOUR_US = 3_600_000_000
_SPANS_US = (HOUR_US, 8 * HOUR_US, 72 * HOUR_US, FOREVER_US)
# What is looked up in another table makes a set of ids, which must not be those of a whole store.
_LOOKED_UP_US = (HOUR_US, 8 * HOUR_US, *(72 * HOUR_US,) * 10, FOREVER_US)

# The marks in these are replaced by text of this module only.
_LIST = """
SELECT * EXCEPT ingested_at, toUnixTimestamp64Micro(started_at) AS started_us
FROM exchanges WHERE @where ORDER BY started_at DESC, id DESC LIMIT {limit:UInt32}
"""
_AFTER = "(exchanges.started_at, exchanges.id) < (fromUnixTimestamp64Micro({at:Int64}, 'UTC'), {after:UUID})"
_OLDEST = "SELECT toUnixTimestamp64Micro(min(started_at)) AS us FROM exchanges"


class Page(msgspec.Struct, frozen=True):
    """Some rows, and where the next ones begin; ``cursor`` is empty when there are no more."""

    rows: list[Row]
    cursor: str


class Listing:
    """Reads lists.

    Args:
        driver: The engine, opened and migrated.
    """

    def __init__(self, driver: TraceDriver) -> None:
        self._driver = driver

    async def page(self, filters: Filters, *, limit: int, cursor: str, now_us: int) -> Page:
        """List exchanges, newest first, without bodies.

        Raises:
            MalformedRequest: The cursor, a tag or a text is none.
        """
        condition = condition_of(filters)
        after: dict[str, str] = {}
        until_us = filters.until_us or FOREVER_US
        if cursor:
            after["at"], after["after"] = read_cursor(cursor)
            until_us = min(until_us, int(after["at"]) + 1)
        limit = max(1, min(limit, MAX_ROWS))
        rows: list[Row] = []
        spans = _LOOKED_UP_US if filters.rule or filters.detector or filters.feedback or filters.text else _SPANS_US
        async for since_us, end_us in self._spans(filters.since_us, until_us, now_us, spans):
            where, params = condition.within(since_us, end_us)
            if after:
                where = f"{where} AND {_AFTER}"
            params |= {**after, "limit": str(limit + 1 - len(rows))}
            rows += await self._rows(_LIST.replace("@where", where), params)
            if len(rows) > limit:
                rows = rows[:limit]
                return Page(rows, cursor_of(rows[-1]["started_us"], rows[-1]["id"]))
        return Page(rows, "")

    async def _spans(
        self, since_us: int, until_us: int, now_us: int, spans_us: tuple[int, ...]
    ) -> AsyncGenerator[tuple[int, int], None]:
        # The first one has no end but the caller's: clocks of gateways may be ahead of this one.
        top_us, end_us, looked = min(until_us, now_us), until_us, 0
        while end_us > since_us:
            if looked == 2:
                # What is asked for is rare, or there is not much: how far back it goes is worth a question.
                since_us = max(since_us, await self._oldest_us())
            span_us = spans_us[looked]
            looked += 1
            bottom_us = max(since_us, top_us - span_us)
            if end_us > bottom_us:
                yield bottom_us, end_us
            top_us = end_us = bottom_us

    async def _oldest_us(self) -> int:
        rows = await self._rows(_OLDEST, {})
        # An empty table has the beginning of time as its least.
        return rows[0]["us"] or FOREVER_US

    async def _rows(self, sql: str, params: Mapping[str, str]) -> list[Row]:
        return orjson.loads(await self._driver.query(sql, params=params))["data"]


def cursor_of(unix_us: int, exchange_id: str) -> str:
    """Where a page ended, as text."""
    return f"{unix_us}.{exchange_id}"


def read_cursor(cursor: str) -> tuple[str, str]:
    """A moment and an id.

    Raises:
        MalformedRequest: It is none.
    """
    at, _, exchange_id = cursor.partition(".")
    if not at.isdecimal() or len(at) > 16 or len(exchange_id) != 36:
        raise MalformedRequest("That is no cursor of a list.", param="cursor")
    return str(int(at)), exchange_id
