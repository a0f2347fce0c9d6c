"""What the API, the console and the command line ask the trace store. Values are bound, never spliced into SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import orjson

from gateway.clients.clock import Clock
from gateway.operator.filters import FOREVER_US, Filters
from gateway.operator.listing import MAX_ROWS, Listing, Page, Row, cursor_of, read_cursor
from gateway.operator.readonly_sql import ReadonlySql, Table
from gateway.operator.timeline import timeline_of
from gateway.plugin.traces import TraceDriver

_START_OF_TAIL = 10

_TAIL_START = """
SELECT * EXCEPT ingested_at, toUnixTimestamp64Micro(ingested_at) AS arrived_us
FROM exchanges WHERE started_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
ORDER BY ingested_at DESC, id DESC LIMIT {limit:UInt32}
"""
_TAIL_ON = """
SELECT * EXCEPT ingested_at, toUnixTimestamp64Micro(ingested_at) AS arrived_us
FROM exchanges
WHERE started_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
    AND (ingested_at, id) > (fromUnixTimestamp64Micro({at:Int64}, 'UTC'), {after:UUID})
ORDER BY ingested_at, id LIMIT {limit:UInt32}
"""
_FIRST = "0.00000000-0000-0000-0000-000000000000"
_EXCHANGE = """
SELECT * EXCEPT ingested_at FROM exchanges
WHERE id = {id:UUID}
    AND started_at >= fromUnixTimestamp64Micro({first:Int64}, 'UTC')
    AND started_at <= fromUnixTimestamp64Micro({last:Int64}, 'UTC')
LIMIT 1
"""
_PARTS = {
    "attempts": "SELECT * EXCEPT (exchange_id, tenant) FROM attempts WHERE exchange_id = {id:UUID}"
    " AND tenant = {tenant:String} AND @time ORDER BY number",
    "guard_events": "SELECT * EXCEPT (exchange_id, tenant) FROM guard_events WHERE exchange_id = {id:UUID}"
    " AND tenant = {tenant:String} AND @time",
    "mirrors": "SELECT * FROM mirrors WHERE (exchange_id = {id:UUID} OR mirror_of = {id:UUID})"
    " AND @time ORDER BY started_at",
    "bodies": "SELECT request_body, response_body FROM bodies WHERE exchange_id = {id:UUID}"
    " AND tenant = {tenant:String} AND @time LIMIT 1",
    "feedback": "SELECT * EXCEPT (exchange_id, tenant) FROM feedback WHERE exchange_id = {id:UUID}"
    " AND created_at >= fromUnixTimestamp64Micro({first:Int64}, 'UTC') ORDER BY created_at",
}
# What hangs on an exchange began about when it did.
_AROUND = (
    "started_at >= fromUnixTimestamp64Micro({first:Int64}, 'UTC')"
    " AND started_at <= fromUnixTimestamp64Micro({last:Int64}, 'UTC')"
)
# An id is made when the exchange starts; clocks may disagree by this much.
_ID_SLACK_US = 3_600_000_000
_SAME_US = 1_000_000
_EVER_US = (0, FOREVER_US)


class TraceQueries:
    """Reads the trace store.

    Args:
        driver: The engine, opened and migrated.
        clock: Tells where "the last hour" begins.
        landed: Waits until what is being inserted has reached every table; see ``TraceStore.landed``.
    """

    def __init__(self, driver: TraceDriver, clock: Clock, landed: Callable[[], Awaitable[None]] | None = None) -> None:
        self._driver = driver
        self._clock = clock
        self._landed = landed
        self._readonly = ReadonlySql(driver)
        self._listing = Listing(driver)

    async def exchange(self, exchange_id: str) -> Row | None:
        """Everything known of one exchange; ``None`` when there is none of that id.

        Returns:
            The columns of ``exchanges``, with the lists ``attempts``, ``guard_events``, ``mirrors`` (copies of it, or
            the one that it is), ``feedback`` and ``timeline`` and the object ``bodies`` (``None`` when nothing was
            captured). The number of attempts is the length of their list.
        """
        try:
            wanted = UUID(exchange_id)
        except ValueError:
            return None
        for first, last in _around(wanted):
            # What hangs on it may begin later: a second try, a copy.
            bounds = {"id": str(wanted), "first": str(first), "last": str(last)}
            if rows := await self._rows(_EXCHANGE, bounds):
                break
        else:
            return None
        if self._landed is not None:
            await self._landed()
        row = rows[0]
        params = {**bounds, "tenant": row["tenant"], "last": str(min(last + _ID_SLACK_US, FOREVER_US))}
        parts = (self._rows(sql.replace("@time", _AROUND), params) for sql in _PARTS.values())
        row |= zip(_PARTS, await asyncio.gather(*parts), strict=True)
        row["bodies"] = row["bodies"][0] if row["bodies"] else None
        row["timeline"] = timeline_of(row)
        return row

    async def exchanges(self, filters: Filters, *, limit: int = 100, cursor: str = "") -> Page:
        """List exchanges, newest first, without bodies.

        Raises:
            MalformedRequest: The cursor or the tag is none.
        """
        return await self._listing.page(filters, limit=limit, cursor=cursor, now_us=self._clock.unix_us())

    async def tail(self, after: str = "", *, limit: int = 100) -> Page:
        """List exchanges in the order in which they arrived.

        Args:
            after: Cursor of the page before; without it, the newest few.
            limit: The most rows to give.

        Returns:
            The rows, oldest first. The cursor is never empty: ask again with it.

        Raises:
            MalformedRequest: The cursor is none.
        """
        # Bounded by the start, so that old partitions are not even looked at.
        params = {"since": str(self._clock.unix_us() - 86_400_000_000), "limit": str(min(limit, MAX_ROWS))}
        if after:
            params["at"], params["after"] = read_cursor(after)
        else:
            params["limit"] = str(min(limit, _START_OF_TAIL))
        rows = await self._rows(_TAIL_ON if after else _TAIL_START, params)
        if not after:
            rows.reverse()
        return Page(rows, cursor_of(rows[-1]["arrived_us"], rows[-1]["id"]) if rows else after or _FIRST)

    async def sql(self, text: str) -> Table:
        """Run a user's own statement, read-only and limited; see :class:`ReadonlySql`.

        Raises:
            StoreRejected: It is more than a query of the trace tables, or it ran into a limit.
        """
        return await self._readonly.run(text)

    async def _rows(self, sql: str, params: Mapping[str, str]) -> list[Row]:
        return orjson.loads(await self._driver.query(sql, params=params))["data"]


def _around(wanted: UUID) -> list[tuple[int, int]]:
    """When an exchange with this id can have started, as far as that is known; a UUIDv7 says it itself."""
    if wanted.version != 7:
        return [_EVER_US]
    at_us = (wanted.int >> 80) * 1000
    slacks_us = (_SAME_US, _ID_SLACK_US)
    return [*((max(0, at_us - slack), min(at_us + slack, FOREVER_US)) for slack in slacks_us), _EVER_US]
