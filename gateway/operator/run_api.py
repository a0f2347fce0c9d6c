"""The operator plane's answers about agent runs, and about how long deployments take."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.core.errors import RouteNotFound
from gateway.operator import parameters
from gateway.operator.edge import json_answer
from gateway.operator.filter_parameters import FILTERS, TIMES, read_filters
from gateway.operator.latency import DIMENSIONS, MEASURES, Latency
from gateway.operator.openapi import OBJECT, ROWS, Operation, Parameter
from gateway.operator.plane import Plane
from gateway.operator.sessions import By, Sessions

DAY_US = 86_400_000_000
MAX_SESSIONS = 500
_BY: dict[str, By] = {"session": "session", "trace": "trace"}


class SessionNotFound(RouteNotFound):
    """No call of such a session has reached the store."""

    code = "session_not_found"


class RunApi:
    """The handlers.

    Args:
        plane: What they answer from.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def sessions(self, request: web.Request) -> web.StreamResponse:
        """Sessions, by their last call."""
        query, now_us = request.query, self._plane.clock.unix_us()
        filters = read_filters(query, now_us)
        if not filters.since_us:
            filters = msgspec.structs.replace(filters, since_us=now_us - DAY_US)
        limit = parameters.whole_number(query, "limit", 100, MAX_SESSIONS)
        rows = await Sessions(self._plane.store.traces.driver).newest(filters, limit)
        return json_answer({"sessions": rows})

    async def session(self, request: web.Request) -> web.StreamResponse:
        """One run as a tree."""
        (by,) = parameters.choices(request.query, "by", "session", tuple(_BY), most=1)
        wanted = request.match_info["id"]
        tree = await Sessions(self._plane.store.traces.driver).tree(wanted, _BY[by])
        if tree is None:
            raise SessionNotFound(f"No call has this {by}.", param="id")
        return json_answer(tree)

    async def latency(self, request: web.Request) -> web.StreamResponse:
        """How long calls take."""
        query, now_us = request.query, self._plane.clock.unix_us()
        by = parameters.choices(query, "by", "deployment", tuple(DIMENSIONS), most=2)
        of = parameters.choices(query, "of", "duration,ttft", tuple(MEASURES))
        since_us = parameters.moment_us(query, "since", now_us) or now_us - DAY_US
        until_us = parameters.moment_us(query, "until", now_us) or now_us + 60_000_000
        rows = await Latency(self._plane.store.traces.driver).read(by, of, since_us, until_us)
        return json_answer({"rows": rows})


_SESSIONS = {"type": "object", "properties": {"sessions": ROWS}}
_TREE = {
    "type": "object",
    "description": "Sums of the run, and its calls as a tree.",
    "properties": {
        "truncated": {"type": "boolean", "description": "there were more calls than a tree holds"},
        "calls_with_bodies": {"type": "integer", "description": "of which it is known what tools they call"},
        "children": {**ROWS, "description": "nodes: kind is span (of the caller), call or tool; each has children"},
    },
}
_ID = Parameter(name="id", summary="The session's id, or the trace's.")
_TREE_BY = Parameter(name="by", summary="What the id is of.", schema={"enum": list(_BY), "default": "session"})
_LIMIT = Parameter(
    name="limit", summary="Sessions.", schema={"type": "integer", "minimum": 1, "maximum": MAX_SESSIONS, "default": 100}
)
_BY_DIMENSIONS = Parameter(
    name="by",
    summary=f"One or two of {', '.join(DIMENSIONS)}, separated by a comma.",
    schema={"type": "string", "default": "deployment"},
)


_OF = Parameter(
    name="of", summary=f"Some of {', '.join(MEASURES)}.", schema={"type": "string", "default": "duration,ttft"}
)


def about_runs(api: RunApi) -> tuple[Operation, ...]:
    """What the plane answers about agent runs and latency."""
    return (
        Operation(
            path="/api/sessions",
            name="list_sessions",
            summary="Sessions by their last call, newest first, with the sums of their calls; since 24h by default.",
            handle=api.sessions,
            parameters=(*TIMES, *FILTERS, _LIMIT),
            answer=_SESSIONS,
        ),
        Operation(
            path="/api/sessions/{id}",
            name="get_session",
            summary="One agent run as a tree: spans of the caller, calls, the tools they ask for.",
            handle=api.session,
            parameters=(_ID, _TREE_BY),
            answer=_TREE,
        ),
        Operation(
            path="/api/latency",
            name="latency",
            summary="How long calls take: counts and quantiles.",
            handle=api.latency,
            parameters=(_BY_DIMENSIONS, _OF, *TIMES),
            answer={"type": "object", "properties": {"rows": {**ROWS, "items": OBJECT}}},
        ),
    )
