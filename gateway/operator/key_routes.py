"""The operations on virtual keys, and who has changed what; see :mod:`gateway.operator.routes`."""

from __future__ import annotations

import orjson
from aiohttp import web

from gateway.core.capture import BODIES
from gateway.operator import parameters
from gateway.operator.audit import Actor
from gateway.operator.edge import json_answer, read_json
from gateway.operator.openapi import OBJECT, ROWS, Operation, Parameter
from gateway.operator.plane import Plane
from gateway.operator.roles import visitor_of

_MAX_CHANGES = 1_000
_ONE = "/api/keys/{id}"
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_WISH = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("team", "tenant", "name"), _TEXT),
        "tags": {"type": "object", "additionalProperties": _TEXT, "description": "on every call of the key"},
        "models": {**_TEXTS, "description": "globs of the models it may name; empty for all"},
        "endpoints": {**_TEXTS, "description": "operations (chat) and globs of routes (/v1/files*); empty for all"},
        "may_tag": {"type": ["array", "null"], "items": _TEXT, "description": "tags that calls may set; null for all"},
        "policies": {"type": "array", "items": {"enum": ["strict"]}},
        "capture": {"enum": [*BODIES, None], "description": "what is kept of its bodies; null: for others to say"},
        "budget": {"type": ["string", "object", "null"], "examples": ["5usd/month"]},
        "expires": {"type": ["string", "null"], "examples": ["30d", "2027-02-01"]},
        "disabled": {"type": "boolean"},
    },
}
_TURN = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"overlap": {**_TEXT, "default": "24h", "description": "how long the secret before stays good"}},
}
_KEYS = {"type": "object", "properties": {"keys": ROWS}}
_SECRET = {"type": "object", "properties": {"id": _TEXT, "key": {**_TEXT, "description": "shown this once"}}}
_ID = Parameter(name="id", summary="The key's id.")
_SINCE = Parameter(name="since", summary="How far back: 24h, 7d.", schema={**_TEXT, "default": "7d"})
_LIMIT = Parameter(name="limit", summary="Rows.", schema={"type": "integer", "maximum": _MAX_CHANGES, "default": 100})
_CHANGES = """
SELECT id, at, who, role, action, object, before, after FROM audit
WHERE at >= now64(6) - toIntervalSecond({since_s:UInt32})
ORDER BY at DESC, id DESC LIMIT 1 BY at, id LIMIT {limit:UInt32}
"""


class KeyApi:
    """The handlers.

    Args:
        plane: What they answer from.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Show all keys."""
        return json_answer({"keys": await self._plane.keys.list()})

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Make a key."""
        return json_answer(await self._plane.keys.create(_actor(request), await read_json(request)), 201)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Show one key."""
        return json_answer(await self._plane.keys.show(request.match_info["id"]))

    async def update(self, request: web.Request) -> web.StreamResponse:
        """Change what a key may do."""
        document = await read_json(request)
        return json_answer(await self._plane.keys.update(_actor(request), request.match_info["id"], document))

    async def rotate(self, request: web.Request) -> web.StreamResponse:
        """Give a key another secret."""
        document = await read_json(request) if request.can_read_body else {}
        return json_answer(await self._plane.keys.rotate(_actor(request), request.match_info["id"], document))

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """End a key for good."""
        return json_answer(await self._plane.keys.revoke(_actor(request), request.match_info["id"]))

    async def audit(self, request: web.Request) -> web.StreamResponse:
        """Who has changed what, newest first."""
        since_s = round(parameters.span_s(request.query, "since", "7d"))
        limit = parameters.whole_number(request.query, "limit", 100, _MAX_CHANGES)
        rows = await self._plane.store.traces.driver.query(
            _CHANGES, params={"since_s": str(since_s), "limit": str(limit)}
        )
        return json_answer({"changes": orjson.loads(rows)["data"]})


def about_keys(api: KeyApi) -> tuple[Operation, ...]:
    """What the plane answers about keys, and about who has changed what."""
    return (
        *_all_keys(api),
        *_one_key(api),
        *_its_secret(api),
        Operation(
            path="/api/audit",
            name="audit",
            summary="Who has changed what, newest first.",
            handle=api.audit,
            parameters=(_SINCE, _LIMIT),
            answer={"type": "object", "properties": {"changes": ROWS}},
        ),
    )


def _all_keys(api: KeyApi) -> tuple[Operation, ...]:
    return (
        Operation(path="/api/keys", name="list_keys", summary="Virtual keys.", handle=api.list, answer=_KEYS),
        Operation(
            method="POST",
            path="/api/keys",
            name="create_key",
            summary="Make a virtual key; its secret is in the answer and nowhere else.",
            handle=api.create,
            body={**_WISH, "required": ["team"]},
            answer=_SECRET,
            status=201,
        ),
    )


def _one_key(api: KeyApi) -> tuple[Operation, ...]:
    return (
        Operation(
            path=_ONE, name="get_key", summary="One virtual key.", handle=api.show, parameters=(_ID,), answer=OBJECT
        ),
        Operation(
            method="PATCH",
            path=_ONE,
            name="update_key",
            summary="Change what a virtual key may do.",
            handle=api.update,
            parameters=(_ID,),
            body=_WISH,
            answer=OBJECT,
        ),
        Operation(
            method="DELETE",
            path=_ONE,
            name="delete_key",
            summary="End a virtual key for good; it stays in the list.",
            handle=api.revoke,
            parameters=(_ID,),
            answer=OBJECT,
        ),
    )


def _its_secret(api: KeyApi) -> tuple[Operation, ...]:
    return (
        Operation(
            method="POST",
            path=f"{_ONE}/revoke",
            name="revoke_key",
            summary="The same.",
            handle=api.revoke,
            parameters=(_ID,),
            answer=OBJECT,
        ),
        Operation(
            method="POST",
            path=f"{_ONE}/rotate",
            name="rotate_key",
            summary="Give a virtual key another secret; the one before ends after a while.",
            handle=api.rotate,
            parameters=(_ID,),
            body=_TURN,
            answer=_SECRET,
        ),
    )


def _actor(request: web.Request) -> Actor:
    return Actor(who=visitor_of(request).name, role="key_admin")
