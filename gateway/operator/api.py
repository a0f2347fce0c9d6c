"""The operator plane's HTTP interface (INTERFACE §7), over whatever the operator knows at the moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import count

import msgspec
import orjson
from aiohttp import web

from gateway.cache.lessons import teach
from gateway.clients.clickhouse_rules import MOST_GUEST_ROWS
from gateway.core.errors import MalformedRequest, RouteNotFound
from gateway.operator import parameters
from gateway.operator.alert_view import alert_families
from gateway.operator.deployments import deployments_now
from gateway.operator.drift_families import drift_families
from gateway.operator.edge import json_answer, read_json
from gateway.operator.export import FORMATS, Wanted, export
from gateway.operator.families import render
from gateway.operator.filter_parameters import read_filters
from gateway.operator.filters import judge_of
from gateway.operator.judged_answers import lesson_of
from gateway.operator.metrics import CONTENT_TYPE, is_fresh, operator_families, read_workers, worker_families
from gateway.operator.otlp_families import otlp_families
from gateway.operator.plane import Plane
from gateway.operator.policies import policies_in_force
from gateway.operator.queries import Row
from gateway.operator.recorded import recorded_families
from gateway.operator.store import Feedback
from gateway.operator.tail import Feed, Judge, events

MAX_PAGE = 1_000
MAX_SQL_BYTES = 8 * 1024 * 1024
_CURSOR_COLUMNS = {"started_us", "arrived_us"}
# A comment is sent after that much silence: proxies cut connections that show no life.
HEARTBEAT_S = 15.0
# How far back a file reaches when nobody says so.
EXPORTED_US = 86_400_000_000


class ExchangeNotFound(RouteNotFound):
    """No exchange has this id, or it has not reached the store yet."""

    code = "exchange_not_found"


class Judgement(msgspec.Struct, forbid_unknown_fields=True):
    """A judgement of an exchange, as a caller sends it."""

    name: str
    value: bool | float | str
    comment: str = ""


class Api:
    """The handlers.

    Args:
        plane: What they answer from.
        feed: New exchanges, for the tail.
    """

    def __init__(self, plane: Plane, feed: Feed) -> None:
        self._plane = plane
        self._feed = feed
        self._feedback_numbers = count()

    async def healthz(self, request: web.Request) -> web.StreamResponse:
        """The process is alive; a store that is away makes it degraded, not dead."""
        return json_answer({"status": self._status()})

    async def readyz(self, request: web.Request) -> web.StreamResponse:
        """Traces can be shipped and read."""
        return json_answer({"status": self._status()}, 200 if self._plane.health.up else 503)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """All workers added up."""
        # In a thread: a thousand models of several workers take a tenth of a second to write down.
        text = await asyncio.to_thread(self._exposition)
        return web.Response(body=text.encode(), headers={"content-type": CONTENT_TYPE})

    async def status(self, request: web.Request) -> web.StreamResponse:
        """What runs, with which configuration, and how far behind the store is."""
        plane = self._plane
        now_ms = plane.clock.unix_ms()
        workers = [
            {
                "index": one.index,
                "pid": one.pid,
                "up": is_fresh(one, now_ms),
                "started_at_ms": one.started_ms,
                "in_flight": one.in_flight,
                "config_hash": one.config_hash,
                "policy_revision": one.policy_revision,
            }
            for one in await asyncio.to_thread(read_workers, plane.run_dir)
        ]
        running = [one for one in workers if one["up"]]
        shipper = plane.shipper
        return json_answer(
            {
                "status": self._status(),
                "config_hashes": sorted({str(one["config_hash"]) for one in running}),
                "policy_revisions": sorted({str(one["policy_revision"]) for one in running}),
                "workers": workers,
                "store": {"up": plane.health.up, "last_error": plane.health.last_error},
                "shipper": shipper
                and {
                    "shipped_lines": shipper.shipped_lines,
                    "poison_lines": shipper.poison_lines,
                    "torn_lines": shipper.torn_lines,
                    "lag_bytes": shipper.lag_bytes,
                    "lag_s": shipper.lag_s,
                    "last_error": shipper.last_error or "",
                },
            }
        )

    async def policies(self, request: web.Request) -> web.StreamResponse:
        """Which policies are in force, rule by rule, and what came of the last try to change them."""
        plane = self._plane
        return json_answer(await asyncio.to_thread(policies_in_force, plane.run_dir, plane.clock.unix_ms()))

    async def deployments(self, request: web.Request) -> web.StreamResponse:
        """How deployments fare, all workers added up."""
        plane = self._plane
        return json_answer(await asyncio.to_thread(deployments_now, plane.run_dir, plane.clock.unix_ms()))

    async def exchanges(self, request: web.Request) -> web.StreamResponse:
        """A page of exchanges, newest first."""
        query, now_us = request.query, self._plane.clock.unix_us()
        filters = read_filters(query, now_us)
        limit = parameters.whole_number(query, "limit", 100, MAX_PAGE)
        page = await self._plane.store.queries.exchanges(filters, limit=limit, cursor=parameters.text(query, "cursor"))
        return json_answer({"exchanges": as_columns(page.rows), "next_cursor": page.cursor or None})

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        """One exchange with all that hangs on it."""
        return json_answer(await self._found(parameters.exchange_id(request.match_info["id"])))

    async def feedback(self, request: web.Request) -> web.StreamResponse:
        """Keep a judgement of an exchange."""
        exchange_id = parameters.exchange_id(request.match_info["id"])
        try:
            given = msgspec.convert(await read_json(request), Judgement)
        except msgspec.ValidationError as error:
            raise MalformedRequest(f"Not a feedback: {error}.") from None
        if not 0 < len(given.name) <= 64 or len(given.comment) > 4096 or len(str(given.value)) > 1024:
            raise MalformedRequest("'name' takes 1 to 64 characters, 'value' up to 1024, 'comment' up to 4096.")
        exchange = await self._found(exchange_id)
        created_us = self._plane.clock.unix_us()
        await self._plane.store.traces.add_feedback(
            judgement(exchange_id, exchange["tenant"], created_us, given),
            f"feedback-{exchange_id}-{created_us}-{next(self._feedback_numbers)}",
        )
        if (lesson := lesson_of(exchange, given.name, given.value)) is not None:
            await asyncio.to_thread(teach, self._plane.run_dir, lesson)
        return json_answer({"exchange_id": exchange_id, "name": given.name, "value": given.value}, 201)

    async def sql(self, request: web.Request) -> web.StreamResponse:
        """Run a read-only query."""
        text = request.query.get("query", "") if request.method == "GET" else (await read_json(request)).get("query")
        if not isinstance(text, str) or not text.strip():
            raise MalformedRequest("'query' must be the text of one statement.", param="query")
        table = await self._plane.store.queries.sql(text)
        rows = within_bounds(table.rows)
        return json_answer({"columns": table.columns, "rows": rows, "truncated": len(rows) < len(table.rows)})

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Exchanges of a span of time as a file."""
        query, now_us = request.query, self._plane.clock.unix_us()
        (file_format,) = parameters.choices(query, "format", "jsonl", tuple(FORMATS), most=1)
        (bodies,) = parameters.choices(query, "bodies", "false", ("true", "false"), most=1)
        filters = read_filters(query, now_us)
        if not filters.since_us:
            filters = msgspec.structs.replace(filters, since_us=now_us - EXPORTED_US)
        wanted = Wanted(file_format=file_format, filters=filters, bodies=bodies == "true")
        pieces = export(self._plane.store.traces.driver, wanted)
        # The first piece is awaited before anything is sent: a store that is away is still a proper error then.
        first = await anext(pieces, b"")
        response = web.StreamResponse(
            headers={
                "content-type": FORMATS[file_format],
                "content-disposition": f'attachment; filename="exchanges.{file_format}"',
            }
        )
        await response.prepare(request)
        await response.write(first)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
        return response

    async def tail(self, request: web.Request) -> web.StreamResponse:
        """New exchanges as they arrive, as server-sent events."""
        wanted = self._watched(request)
        _ = self._plane.store
        with self._feed.watch(wanted) as watcher:
            await self._feed.started()
            response = web.StreamResponse(
                headers={"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
            )
            await response.prepare(request)
            # StopAsyncIteration says that the plane is closing, a reset that the watcher has left.
            with suppress(StopAsyncIteration, ConnectionResetError):
                await response.write(events((), 0))
                while True:
                    await response.write(events(*await watcher.next(HEARTBEAT_S)))
            return response

    def _watched(self, request: web.Request) -> Judge:
        filters = read_filters(request.query, self._plane.clock.unix_us())
        if filters.since_us or filters.until_us:
            raise MalformedRequest("The tail shows what arrives; for other times there are lists.", param="since")
        return judge_of(filters)

    def _exposition(self) -> str:
        plane = self._plane
        workers = worker_families(read_workers(plane.run_dir), plane.clock.unix_ms())
        own = [*operator_families(plane.shipper, plane.health), *recorded_families(plane.recorded)]
        own += otlp_families(plane.telemetry)
        return render([*workers, *own, *alert_families(plane.alerts), *drift_families(plane.drift)])

    def _status(self) -> str:
        return "ok" if self._plane.health.up else "degraded"

    async def _found(self, exchange_id: str) -> Row:
        row = await self._plane.store.queries.exchange(exchange_id)
        if row is None:
            raise ExchangeNotFound("No exchange has this id.", param="id")
        return row


def judgement(exchange_id: str, tenant: str, created_us: int, given: Judgement) -> Feedback:
    """A judgement as the store keeps it: numbers and truth as a score, words as a label."""
    value = given.value
    if isinstance(value, str):
        score, label = None, value
    else:
        score, label = float(value), ("true" if value else "false") if isinstance(value, bool) else ""
    return Feedback(
        exchange_id=exchange_id,
        created_us=created_us,
        tenant=tenant,
        name=given.name,
        score=score,
        label=label,
        comment=given.comment,
    )


def as_columns(rows: Sequence[Row]) -> list[Row]:
    """Rows without what only cursors are made of."""
    return [{name: value for name, value in row.items() if name not in _CURSOR_COLUMNS} for row in rows]


def within_bounds(rows: Sequence[Row], most_rows: int = MOST_GUEST_ROWS, most_bytes: int = MAX_SQL_BYTES) -> list[Row]:
    """As many rows as fit into an answer, from the first on."""
    kept: list[Row] = []
    size = 0
    for row in rows[:most_rows]:
        size += len(orjson.dumps(row))
        if size > most_bytes:
            break
        kept.append(row)
    return kept
