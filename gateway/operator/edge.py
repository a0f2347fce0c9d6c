"""The edge of the operator plane: who may enter, and what an answer looks like when something went wrong.

Every error leaves as ``{"error": {"code", "message"}}``, whoever found it: a handler of ours, aiohttp's router, or
nobody, in which case the message says nothing and the log everything.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.core.caller import CallerPending
from gateway.core.errors import Bug, ClientError, GatewayError, MalformedRequest, StoreUnavailable
from gateway.operator.auth import Caller, Gate
from gateway.operator.roles import NEEDED, Needed, Visitor, check_role, welcome

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
_MESSAGES = {
    404: "No such path; /openapi.json lists all of them.",
    405: "The path exists, the method does not.",
    413: "The request's body is too large.",
}
# Answers hold what clients said to models: no other site may frame or sniff them, and no cache keep them.
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def json_answer(document: Any, status: int = 200) -> web.Response:
    """Answer with one JSON document."""
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")


def error_answer(error: GatewayError) -> web.Response:
    """Answer with an error's public part."""
    return _error(error.status, error.code, error.public_message, error.retry_after_s)


async def read_json(request: web.Request) -> dict[str, Any]:
    """Read a JSON object from the request's body.

    Raises:
        MalformedRequest: It is not one, or not declared as one: a form of another site cannot send this type.
    """
    if request.content_type != "application/json":
        raise MalformedRequest("The body must be JSON, with content-type application/json.")
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedRequest("The body must be a JSON object.") from None


def guard(gate: Gate, needed: Needed = NEEDED) -> Middleware:
    """Make the middleware that stands in front of every handler.

    Args:
        gate: Who is let in.
        needed: The role that each route asks for.
    """

    @web.middleware
    async def at_the_edge(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            await _let_in(request, gate, needed)
            response = await handler(request)
        except GatewayError as error:
            response = error_answer(error)
        except web.HTTPException as error:
            response = _error(error.status, _code(error.status), _MESSAGES.get(error.status, error.reason))
            if "allow" in error.headers:
                response.headers["allow"] = error.headers["allow"]
        except Exception:
            # Answered here, since aiohttp would answer in another form, and handed on, since aiohttp logs it.
            await _answer_for_a_bug(request)
            raise
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    return at_the_edge


async def _let_in(request: web.Request, gate: Gate, needed: Needed) -> None:
    """Find out who has come, and whether they may use this route.

    Raises:
        GatewayError: Nobody we know, or they may not.
    """
    visitor = await _visitor(gate, _caller(request))
    welcome(request, visitor)
    resource = request.match_info.route.resource
    # A path or a method that does not exist is told of by the handler.
    if resource is not None:
        check_role(visitor, needed, request.method, resource.canonical)


async def _visitor(gate: Gate, caller: Caller) -> Visitor:
    try:
        return gate.admit(caller)
    except CallerPending as pending:
        await pending.wait()
    try:
        return gate.admit(caller)
    except CallerPending:
        raise StoreUnavailable("Visitors cannot be identified at the moment.", retry_after_s=2) from None


async def _answer_for_a_bug(request: web.Request) -> None:
    if request.writer.output_size:
        return
    response = error_answer(Bug("Something went wrong here; the operator's log knows more."))
    response.force_close()
    await response.prepare(request)
    await response.write_eof()


def _error(status: int, code: str, message: str, retry_after_s: float | None = None) -> web.Response:
    response = json_answer({"error": {"code": code, "message": message}}, status)
    if retry_after_s is not None:
        response.headers["retry-after"] = str(max(1, round(retry_after_s)))
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def _code(status: int) -> str:
    return _CODES.get(status, ClientError.code if status < 500 else Bug.code)


def _caller(request: web.Request) -> Caller:
    # Of a Unix socket the name is a text, of a network socket a tuple that starts with the address.
    peer: str | tuple[Any, ...] = request.transport.get_extra_info("peername", "") if request.transport else ("gone",)
    headers = request.headers
    return Caller(
        path=request.path,
        peer=str(peer[0]) if isinstance(peer, tuple) else "",
        hosts=tuple(headers.getall("host", [])),
        authorization=headers.get("authorization", ""),
        origin=headers.get("origin"),
        fetch_site=headers.get("sec-fetch-site", ""),
    )
