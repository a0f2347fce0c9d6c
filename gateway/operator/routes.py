"""The operator plane's operations, one table: the router, ``/openapi.json`` and the console are made from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial

from aiohttp import web

from gateway.core.mirror_told import OUTCOMES
from gateway.operator import openapi
from gateway.operator.api import MAX_PAGE, Api, as_columns
from gateway.operator.auth import Gate
from gateway.operator.cache_routes import CacheApi, about_the_cache
from gateway.operator.drift_routes import DriftApi, about_drift
from gateway.operator.edge import guard, json_answer
from gateway.operator.erase_routes import EraseApi, about_erasing
from gateway.operator.export import FORMATS
from gateway.operator.filter_parameters import FILTERS, ROW_FILTERS, TIMES
from gateway.operator.key_routes import KeyApi, about_keys
from gateway.operator.openapi import OBJECT, ROWS, Operation, Parameter
from gateway.operator.plane import Plane
from gateway.operator.queries import Row
from gateway.operator.run_api import RunApi, about_runs
from gateway.operator.spend_api import SpendApi
from gateway.operator.spend_routes import about_money
from gateway.operator.tail import Feed

MAX_BODY_BYTES = 256 * 1024

# A cursor of the tail that everything comes after.
_BEFORE_ANYTHING = "0.00000000-0000-0000-0000-000000000000"

_STATUS = {"type": "object", "properties": {"status": {"enum": ["ok", "degraded"]}}}
_SQL_ANSWER = {
    "type": "object",
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "rows": ROWS,
        "truncated": {"type": "boolean", "description": "there were more rows than an answer holds"},
    },
}
_PAGE = {"type": "object", "properties": {"exchanges": ROWS, "next_cursor": {"type": ["string", "null"]}}}
_SECONDS = {"type": ["number", "null"]}
_DEPLOYMENT = {
    "type": "object",
    "properties": {
        **{key: {"type": "string"} for key in ("provider", "model")},
        **{key: {"type": "integer"} for key in ("workers", "calls", "failures")},
        "in_flight": {"type": ["integer", "null"], "description": "null where calls under way are not counted"},
        "breaker": {"enum": ["closed", "half_open", "open"], "description": "the worst of the workers'"},
        "rests_s": {"type": "number", "description": "until it may be given a call again"},
        "ejected_s": {"type": "number", "description": "for which it gets no calls, failing more often than its peers"},
        **dict.fromkeys(("ttft_s", "tpot_s", "whole_s"), _SECONDS),
    },
}
_QUEUE = {
    "type": "object",
    "properties": {
        "alias": {"type": "string"},
        **{key: {"type": "integer"} for key in ("waiting", "served", "turned_away", "late", "left")},
        "waited_s": {"type": "number", "description": "of those who were served, all together"},
    },
}
_LIKENESS = {"type": "object", "additionalProperties": {"type": "integer"}}
_MIRROR = {
    "type": "object",
    "properties": {
        "alias": {"type": "string"},
        "to": {"type": "string", "description": "provider/model that gets the copies"},
        **{key: {"type": "integer"} for key in ("waiting", "running", *OUTCOMES, "cost_nanousd", "real_nanousd")},
        "compared": _LIKENESS | {"description": "of how many both answers were known: text, tools, finish"},
        "same": _LIKENESS | {"description": "in how many of these both were the same"},
    },
}
_DEPLOYMENTS = {
    "type": "object",
    "properties": {
        "workers": {"type": "integer"},
        "deployments": {"type": "array", "items": _DEPLOYMENT},
        "queues": {"type": "array", "items": _QUEUE},
        "mirrors": {"type": "array", "items": _MIRROR},
    },
}
_JUDGEMENT = {
    "type": "object",
    "required": ["name", "value"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 64},
        "value": {"type": ["number", "string", "boolean"]},
        "comment": {"type": "string", "maxLength": 4096},
    },
}
_QUERY = {"type": "object", "required": ["query"], "properties": {"query": {"type": "string"}}}

_ID = Parameter(name="id", summary="The exchange's id.", schema={"type": "string", "format": "uuid"})
_LIST = (
    *TIMES,
    *FILTERS,
    Parameter(
        name="limit",
        summary="Rows a page.",
        schema={"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100},
    ),
    Parameter(name="cursor", summary="next_cursor of the page before."),
)
_FORMAT = Parameter(name="format", summary="File format.", schema={"enum": list(FORMATS), "default": "jsonl"})
_BODIES = Parameter(
    name="bodies",
    summary="With request_body and response_body, where they were captured.",
    schema={"enum": ["true", "false"], "default": "false"},
)
_SQL = Parameter(name="query", summary="One SELECT statement on the trace tables.", required=True)


def build_app(plane: Plane, gate: Gate) -> web.Application:
    """Make the web application.

    Args:
        plane: What it answers from; may change while the application runs.
        gate: Who is let in.
    """
    feed = Feed(partial(_fetch, plane), plane.clock)
    table = (
        *operations(Api(plane, feed), SpendApi(plane), KeyApi(plane), CacheApi(plane)),
        *about_drift(DriftApi(plane)),
        *about_runs(RunApi(plane)),
        *about_erasing(EraseApi(plane)),
    )
    described = openapi.document(table)
    page = openapi.page(table)

    async def describe(_request: web.Request) -> web.StreamResponse:
        return json_answer(described)

    async def console(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=page, content_type="text/html")

    async def feeding(_app: web.Application) -> AsyncGenerator[None, None]:
        task = asyncio.get_running_loop().create_task(feed.run(), name="tail")
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def closing(_app: web.Application) -> None:
        feed.close()

    app = web.Application(middlewares=[guard(gate)], client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/", console)
    app.router.add_get("/openapi.json", describe)
    for operation in table:
        app.router.add_route(operation.method, operation.path, operation.handle)
    app.cleanup_ctx.append(feeding)
    app.on_shutdown.append(closing)
    return app


def operations(api: Api, spend: SpendApi, keys: KeyApi, cache: CacheApi) -> tuple[Operation, ...]:
    """Everything that the plane answers, but for its own description and the console."""
    exchanges = (*_about_the_process(api), *_about_exchanges(api))
    return (*exchanges, *about_money(spend), *about_the_cache(cache), *_about_sql(api), *about_keys(keys))


async def _fetch(plane: Plane, after: str | None) -> tuple[list[Row], str]:
    queries = plane.store.queries
    if after is None:
        newest = await queries.tail(limit=1)
        return [], newest.cursor or _BEFORE_ANYTHING
    page = await queries.tail(after, limit=MAX_PAGE)
    # What came in one slice arrived at one moment; people expect the order in which it began.
    rows = sorted(page.rows, key=lambda row: (row["arrived_us"], row["started_at"]))
    return as_columns(rows), page.cursor


def _about_the_process(api: Api) -> tuple[Operation, ...]:
    return (
        Operation(path="/healthz", name="health", summary="The process is alive.", handle=api.healthz, answer=_STATUS),
        Operation(
            path="/readyz", name="ready", summary="Traces can be stored and read.", handle=api.readyz, answer=_STATUS
        ),
        Operation(
            path="/metrics",
            name="metrics",
            summary="All workers added up, for Prometheus.",
            handle=api.metrics,
            media=("text/plain",),
        ),
        Operation(
            path="/api/policies",
            name="policies",
            summary="The policy bundle in force: rules, modes, revision, and what the last reload said.",
            handle=api.policies,
            answer=OBJECT,
        ),
        Operation(
            path="/api/deployments",
            name="deployments",
            summary="How deployments fare: calls under way, failures, breakers, times, queues, mirrors; of all.",
            handle=api.deployments,
            answer=_DEPLOYMENTS,
        ),
        Operation(
            path="/api/status",
            name="status",
            summary="Workers, configuration in force, how far behind the trace store is.",
            handle=api.status,
            answer=OBJECT,
        ),
    )


def _about_exchanges(api: Api) -> tuple[Operation, ...]:
    return (
        Operation(
            path="/api/exchanges",
            name="list_exchanges",
            summary="Exchanges, newest first.",
            handle=api.exchanges,
            parameters=_LIST,
            answer=_PAGE,
        ),
        Operation(
            path="/api/exchanges/{id}",
            name="get_exchange",
            summary="One exchange with its attempts, guard events, bodies, feedback, and a timeline.",
            handle=api.exchange,
            parameters=(_ID,),
            answer=OBJECT,
        ),
        Operation(
            method="POST",
            path="/api/exchanges/{id}/feedback",
            name="give_feedback",
            summary="Keep a judgement of an exchange.",
            handle=api.feedback,
            parameters=(_ID,),
            body=_JUDGEMENT,
            answer=OBJECT,
            status=201,
        ),
        Operation(
            path="/api/tail",
            name="tail",
            summary="New exchanges as they arrive (events 'exchange' and 'skipped').",
            handle=api.tail,
            parameters=ROW_FILTERS,
            media=("text/event-stream",),
        ),
        Operation(
            path="/api/export",
            name="export",
            summary="Exchanges of a span of time as a file, oldest first.",
            handle=api.export,
            parameters=(_FORMAT, _BODIES, *TIMES, *FILTERS),
            media=tuple(FORMATS.values()),
        ),
    )


def _about_sql(api: Api) -> tuple[Operation, ...]:
    return (
        Operation(
            path="/api/sql",
            name="query",
            summary="Run one read-only query.",
            handle=api.sql,
            parameters=(_SQL,),
            answer=_SQL_ANSWER,
        ),
        Operation(
            method="POST",
            path="/api/sql",
            name="query_long",
            summary="Run one read-only query that is too long for an address.",
            handle=api.sql,
            body=_QUERY,
            answer=_SQL_ANSWER,
        ),
    )
