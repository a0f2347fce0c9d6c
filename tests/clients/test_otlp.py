from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from aiohttp import web

from gateway.clients.otlp import HttpSender, NeverTaken, NotNow, RpcSender
from loadtests.ports import free_port

HEADERS = {"x-key": "k"}


@asynccontextmanager
async def http_collector(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def rpc_collector(answer: Callable[[bytes, Any], Awaitable[bytes]]) -> AsyncIterator[tuple[str, list[str]]]:
    seen: list[str] = []

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            seen.append(handler_call_details.method)
            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}", seen
    finally:
        await server.stop(None)


@pytest.mark.parametrize("compress", [True, False])
def test_http_sends_the_message_and_gives_the_answer(compress: bool):
    got: list[tuple[str, bytes, str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        # The server undoes what the header names.
        body = await request.read()
        got.append((request.path, body, request.headers["content-type"], request.headers["x-key"]))
        assert (request.headers.get("content-encoding") == "gzip") is compress
        return web.Response(body=b"said")

    async def scenario() -> None:
        async with http_collector(answer) as url:
            sender = HttpSender(url + "/base", HEADERS, 5.0, compress=compress)
            assert await sender.send("traces", b"spans") == b"said"
            assert await sender.send("metrics", b"metrics") == b"said"
            await sender.close()

    asyncio.run(scenario())
    plain = [(path, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body, *rest) for path, body, *rest in got]
    assert plain == [
        ("/base/v1/traces", b"spans", "application/x-protobuf", "k"),
        ("/base/v1/metrics", b"metrics", "application/x-protobuf", "k"),
    ]


@pytest.mark.parametrize(
    ("status", "headers", "fault", "after_s"),
    [
        (429, {"retry-after": "7"}, NotNow, 7.0),
        (503, {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, NotNow, 0.0),
        (503, {"retry-after": "99999999"}, NotNow, 300.0),
        (502, {}, NotNow, 0.0),
        (400, {}, NeverTaken, None),
        (401, {}, NeverTaken, None),
        (500, {}, NeverTaken, None),
        (307, {"location": "http://127.0.0.1:1/"}, NeverTaken, None),
    ],
)
def test_http_tells_later_from_never(status, headers, fault, after_s):
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    async def scenario() -> None:
        async with http_collector(answer) as url:
            sender = HttpSender(url, {}, 5.0, compress=False)
            with pytest.raises(fault) as raised:
                await sender.send("traces", b"x")
            assert str(status) in str(raised.value)
            assert getattr(raised.value, "after_s", None) == after_s
            await sender.close()

    asyncio.run(scenario())


def test_http_nobody_there_or_no_answer_is_later():
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async def scenario() -> None:
        async with http_collector(answer) as url:
            for where in (f"http://127.0.0.1:{free_port()}", url):
                sender = HttpSender(where, {}, 0.2, compress=True)
                with pytest.raises(NotNow) as raised:
                    await sender.send("traces", b"x")
                assert "127.0.0.1" not in str(raised.value)
                await sender.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("compress", [True, False])
def test_grpc_sends_the_message_and_gives_the_answer(compress: bool):
    got: list[tuple[bytes, str]] = []

    async def answer(message: bytes, context: Any) -> bytes:
        got.append((message, dict(context.invocation_metadata())["x-key"]))
        return b"said"

    async def scenario() -> None:
        async with rpc_collector(answer) as (url, seen):
            sender = RpcSender(url, HEADERS, 5.0, compress=compress)
            assert await sender.send("traces", b"spans" * 100) == b"said"
            assert await sender.send("metrics", b"metrics") == b"said"
            await sender.close()
            assert seen == [
                "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            ]

    asyncio.run(scenario())
    assert got == [(b"spans" * 100, "k"), (b"metrics", "k")]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (grpc.StatusCode.UNAVAILABLE, NotNow),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, NotNow),
        (grpc.StatusCode.INVALID_ARGUMENT, NeverTaken),
        (grpc.StatusCode.UNAUTHENTICATED, NeverTaken),
    ],
)
def test_grpc_tells_later_from_never(code, fault):
    async def answer(message: bytes, context: Any) -> bytes:
        await context.abort(code, "quoting the message")
        return b""

    async def scenario() -> None:
        async with rpc_collector(answer) as (url, _):
            sender = RpcSender(url, {}, 5.0, compress=True)
            with pytest.raises(fault) as raised:
                await sender.send("traces", b"x")
            assert str(raised.value) == code.name
            await sender.close()

    asyncio.run(scenario())


def test_grpc_nobody_there_is_later():
    async def scenario() -> None:
        sender = RpcSender(f"http://127.0.0.1:{free_port()}", {}, 0.5, compress=True)
        with pytest.raises(NotNow):
            await sender.send("traces", b"x")
        await sender.close()

    asyncio.run(scenario())
