from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.core.errors import NotAvailable, StoreUnavailable
from gateway.operator.auth import Gate, hold_token
from gateway.operator.edge import guard, json_answer, read_json
from gateway.operator.roles import Role, Visitor

Session = aiohttp.ClientSession


async def echo(request: web.Request) -> web.StreamResponse:
    return json_answer(await read_json(request))


async def away(_request: web.Request) -> web.StreamResponse:
    raise StoreUnavailable("The trace store is away.", retry_after_s=2)


async def later(_request: web.Request) -> web.StreamResponse:
    raise NotAvailable("Not yet available.")


async def broken(_request: web.Request) -> web.StreamResponse:
    raise ZeroDivisionError("secret detail")


async def broken_half_way(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    raise ZeroDivisionError("secret detail")


@asynccontextmanager
async def plane(token: str | None = None) -> AsyncGenerator[Session, None]:
    handlers = {"/away": away, "/later": later, "/broken": broken, "/half": broken_half_way}
    needed: dict[tuple[str, str], Role] = {("GET", path): "viewer" for path in handlers}
    needed["POST", "/echo"] = "operator"
    gate = Gate(token, (hold_token("looks", Visitor(name="ann", roles=frozenset({"viewer"}))),) if token else ())
    app = web.Application(middlewares=[guard(gate, needed)], client_max_size=1024)
    app.router.add_post("/echo", echo)
    app.router.add_get("/forgotten", echo)
    for path, handler in handlers.items():
        app.router.add_get(path, handler)
    server = TestServer(app)
    await server.start_server()
    try:
        async with Session(base_url=server.make_url("/")) as session:
            yield session
    finally:
        await server.close()


def run(scenario: Callable[[Session], Coroutine[Any, Any, None]], token: str | None = None) -> None:
    async def whole() -> None:
        async with plane(token) as session:
            await scenario(session)

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/away", 503, "store_unavailable"),
        ("GET", "/later", 501, "not_yet_available"),
        ("GET", "/nothing", 404, "not_found"),
        ("DELETE", "/echo", 405, "method_not_allowed"),
    ],
)
def test_every_error_has_one_form(method: str, path: str, status: int, code: str) -> None:
    async def scenario(session: Session) -> None:
        async with session.request(method, path) as answer:
            document = await answer.json()
            assert (answer.status, document["error"]["code"]) == (status, code)
            assert document["error"]["message"]
            assert set(document) == {"error"}
            assert set(document["error"]) == {"code", "message"}
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers.get("retry-after") == ("2" if status == 503 else None)
            assert answer.headers.get("allow") == ("POST" if status == 405 else None)

    run(scenario)


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b'{"a": 1}', "application/json", 200, None),
        (b'{"a": 1}', "application/json; charset=utf-8", 200, None),
        (b'{"a": 1}', "text/plain", 400, "invalid_request"),
        (b"a=1", "application/x-www-form-urlencoded", 400, "invalid_request"),
        (b"[1]", "application/json", 400, "invalid_request"),
        (b'{"a":', "application/json", 400, "invalid_request"),
        (b"\xff", "application/json", 400, "invalid_request"),
        (b'{"a": "' + b"x" * 2000 + b'"}', "application/json", 413, "request_too_large"),
    ],
)
def test_a_body_must_be_a_small_json_object(body: bytes, kind: str, status: int, code: str | None) -> None:
    async def scenario(session: Session) -> None:
        async with session.post("/echo", data=body, headers={"content-type": kind}) as answer:
            document = await answer.json()
            assert answer.status == status
            assert document.get("error", {}).get("code") == code

    run(scenario)


def test_a_bug_says_nothing_to_the_caller_and_everything_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(session: Session) -> None:
        async with session.get("/broken") as answer:
            text = await answer.text()
            assert answer.status == 500
            assert (await answer.json())["error"]["code"] == "internal_error"
            assert "secret detail" not in text
        async with session.get("/away") as answer:
            assert answer.status == 503, "the plane goes on"

    with caplog.at_level(logging.ERROR):
        run(scenario)
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)


def test_an_answer_that_breaks_half_way_is_cut() -> None:
    async def scenario(session: Session) -> None:
        async with session.get("/half") as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()

    run(scenario)


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        (None, {}, 503),
        (None, {"host": "attacker.example"}, 403),
        (None, {"origin": "http://attacker.example"}, 403),
        ("secret", {}, 401),
        ("secret", {"authorization": "Bearer wrong"}, 401),
        ("secret", {"authorization": "Bearer secret"}, 503),
        ("secret", {"authorization": "Bearer secret", "host": "operator.example"}, 503),
        ("secret", {"authorization": "Bearer secret", "sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_the_gate_stands_in_front_of_every_handler(token: str | None, headers: dict[str, str], status: int) -> None:
    async def scenario(session: Session) -> None:
        async with session.get("/away", headers=headers) as answer:
            assert answer.status == status
            assert "code" in (await answer.json())["error"]
            assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
        async with session.get("/nothing", headers=headers) as answer:
            assert answer.status == (404 if status == 503 else status), "what exists is no secret to be probed"

    run(scenario, token)


@pytest.mark.parametrize(
    ("token", "method", "path", "status"),
    [
        (None, "GET", "/away", 503),
        (None, "GET", "/forgotten", 403),
        ("all", "POST", "/echo", 200),
        ("all", "GET", "/forgotten", 403),
        ("looks", "HEAD", "/away", 503),
        ("looks", "POST", "/echo", 403),
        ("looks", "GET", "/nothing", 404),
        ("nobody", "GET", "/away", 401),
    ],
)
def test_a_route_asks_for_its_role(token: str | None, method: str, path: str, status: int) -> None:
    async def scenario(session: Session) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with session.request(method, path, headers=headers, json={} if method == "POST" else None) as answer:
            assert answer.status == status

    run(scenario, "all" if token else None)
