"""The operations on kept answers; see :mod:`gateway.operator.routes`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.core.cached import Selector
from gateway.core.errors import MalformedRequest, RouteNotFound
from gateway.operator import parameters
from gateway.operator.cache_admin import selected
from gateway.operator.edge import json_answer, read_json
from gateway.operator.openapi import OBJECT, ROWS, Operation, Parameter
from gateway.operator.plane import Plane
from gateway.operator.queries import Row
from gateway.operator.roles import actor_of

_TEXT = {"type": "string"}
_COUNT = {"type": "integer"}
_FLAG = {"type": "boolean", "default": False}
_STATS = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["home", "redis"]},
        "searches": {"type": "boolean", "description": "whether questions that are alike find each other"},
        "note": {**_TEXT, "description": "why not"},
        **dict.fromkeys(("entries", "bytes", "max_entries", "max_bytes", "evictions"), _COUNT),
        "parts": {**ROWS, "description": "by tenant, alias and model: entries, bytes, hits, saved_nanousd, oldest_s"},
    },
}
_WHAT = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "description": "entries that are all of it",
    "properties": {
        **dict.fromkeys(("tenant", "alias", "model", "exchange_id"), _TEXT),
        "key": {**_TEXT, "description": "64 hexadecimal digits"},
        "tag": {**_TEXT, "examples": ["app=shop"]},
        "older_than": {**_TEXT, "examples": ["24h"]},
        "text": {**_TEXT, "description": "stands in the answer, any case; written down nowhere"},
        "everything": _FLAG,
        "dry_run": {**_FLAG, "description": "forget none; say how many, and show some"},
    },
}
_DONE = {"type": "object", "properties": {"dry_run": {"type": "boolean"}, "matched": _COUNT, "entries": ROWS}}
_ID = Parameter(name="id", summary="An exchange's id, or an entry's key.")
_OF_EXCHANGES = (
    "id",
    "started_at",
    "status",
    "cache",
    "cache_origin",
    "cache_partition",
    "cache_similarity",
    "cache_chance",
    "cache_guards",
    "cache_shadow",
    "cache_age_s",
    "cache_saved_nanousd",
    "cache_saved_ms",
)


class NothingKept(RouteNotFound):
    """No exchange and no kept answer has this name."""

    code = "nothing_kept"


class CacheApi:
    """The handlers.

    Args:
        plane: What they answer from.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def stats(self, request: web.Request) -> web.StreamResponse:
        """Say what is kept."""
        return json_answer(await self._plane.cache.stats())

    async def explain(self, request: web.Request) -> web.StreamResponse:
        """Say what the cache made of a call, and which answer that was."""
        name = request.match_info["id"]
        exchange = None if len(name) == _KEY_DIGITS else await self._exchange(name)
        entries = await self._plane.cache.entries(_named(name, exchange))
        if exchange is None and not entries:
            raise NothingKept("No exchange and no kept answer has this name.", param="id")
        return json_answer({"exchange": exchange, "entries": entries})

    async def invalidate(self, request: web.Request) -> web.StreamResponse:
        """Forget answers."""
        return json_answer(await self._plane.cache.invalidate(actor_of(request), await read_json(request)))

    async def _exchange(self, name: str) -> Row | None:
        found = await self._plane.store.queries.exchange(parameters.exchange_id(name))
        return None if found is None else {column: found.get(column) for column in _OF_EXCHANGES}


_KEY_DIGITS = 64


def _named(name: str, exchange: dict[str, Any] | None) -> Selector:
    """Which entries tell of it: the one whose answer was given, or the one that the exchange brought."""
    if len(name) == _KEY_DIGITS:
        return selected({"key": name})[0]
    origin = (exchange or {}).get("cache_origin") or name
    if len(origin) > _KEY_DIGITS:
        raise MalformedRequest("An exchange's id is a UUID.", param="id")
    return Selector(exchange_id=origin)


def about_the_cache(api: CacheApi) -> tuple[Operation, ...]:
    """What the plane answers about kept answers."""
    return (
        Operation(path="/api/cache", name="cache", summary="Answers that are kept.", handle=api.stats, answer=_STATS),
        Operation(
            path="/api/cache/explain/{id}",
            name="explain_cache",
            summary="What the cache made of an exchange, and the answer that it gave, kept, or would have given.",
            handle=api.explain,
            parameters=(_ID,),
            answer=OBJECT,
        ),
        Operation(
            method="POST",
            path="/api/cache/invalidate",
            name="invalidate_cache",
            summary="Forget kept answers.",
            handle=api.invalidate,
            body=_WHAT,
            answer=_DONE,
        ),
    )
