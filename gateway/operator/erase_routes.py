"""The operation that erases a subject; see :mod:`gateway.operator.routes`."""

from __future__ import annotations

from aiohttp import web

from gateway.core.errors import StoreUnavailable
from gateway.operator.edge import json_answer, read_json
from gateway.operator.openapi import Operation
from gateway.operator.plane import Plane
from gateway.operator.roles import actor_of

_TEXTS = {"type": ["string", "array"], "items": {"type": "string"}}
_COUNT = {"type": "integer"}
_WHOM = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "description": "everybody who is any of it",
    "properties": {
        **dict.fromkeys(("session", "key", "user", "id"), _TEXTS),
        "tag": {**_TEXTS, "examples": ["customer=4711"]},
        "tenant": {"type": "string", "description": "only of this tenant"},
        "dry_run": {"type": "boolean", "default": False, "description": "erase nothing; say how much it would be"},
    },
}
_DONE = {
    "type": "object",
    "properties": {
        "dry_run": {"type": "boolean"},
        "pending": {"type": "boolean", "description": "the trace store is still at it, or away"},
        "erasures": {"type": "array", "items": {"type": "string"}},
        **dict.fromkeys(("exchanges", "bodies", "spool_lines", "poison_lines"), _COUNT),
    },
}


class EraseApi:
    """The handler.

    Args:
        plane: What it answers from.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def erase(self, request: web.Request) -> web.StreamResponse:
        """Erase a subject."""
        if self._plane.erasing is None:
            raise StoreUnavailable("Nobody ships the spool yet.", retry_after_s=2)
        done = await self._plane.erasing.erase(actor_of(request), await read_json(request))
        return json_answer(done, 202 if done["pending"] else 200)


def about_erasing(api: EraseApi) -> tuple[Operation, ...]:
    """What the plane does about erasing."""
    return (
        Operation(
            method="POST",
            path="/api/erase",
            name="erase",
            summary="Erase a subject: bodies, names, comments, places of hits. What is counted stays.",
            handle=api.erase,
            body=_WHOM,
            answer=_DONE,
        ),
    )
