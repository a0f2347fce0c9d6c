"""The gRPC transport against a scripted server; tests/sdk has a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec
import orjson
import pytest

from gateway.clients import triton_messages
from gateway.clients.triton_rpc import RpcRun, TritonRpc
from gateway.core.errors import (
    ConnectFailed,
    FirstTokenTimeout,
    GatewayError,
    IdleTimeout,
    MalformedRequest,
    Misconfigured,
    NotAvailable,
    StreamBroken,
    TotalTimeout,
)
from gateway.core.exchange import Headers, Timeouts
from loadtests.ports import free_port
from tests.support.rpc_server import Scripted, run, said, scripted, two_words
from tests.support.sinks import KeepingSink

STREAM = "/v2/models/m/generate_stream"
ASKED = b'{"text_input":"Hi"}'
# What a test waits for in vain is given this long.
SHORT_S = 0.05


def texts(sink: KeepingSink) -> list[Any]:
    return [orjson.loads(part.removeprefix(b"data: ")) for part in sink.parts]


class Caller:
    """Sends calls to a server."""

    def __init__(self, url: str) -> None:
        self.rpc = TritonRpc()
        self.url = url

    def start(
        self, path: str = STREAM, body: bytes = ASKED, *, headers: Headers | None = None, **timers: float
    ) -> tuple[RpcRun, KeepingSink]:
        sink = KeepingSink()
        timeouts = msgspec.structs.replace(Timeouts(), **timers)
        return self.rpc.send(self.url, path, body, headers or {}, sink, timeouts), sink

    async def ask(self, *asked: Any, **more: Any) -> KeepingSink:
        _, sink = self.start(*asked, **more)
        await sink.done.wait()
        return sink


async def nothing_more(_: Scripted, request: Any, context: Any) -> AsyncIterator[Any]:
    yield said("one ")
    await asyncio.Event().wait()


def test_a_stream_is_told_as_events_and_ends_with_the_last_answer() -> None:
    async def work() -> None:
        async with scripted(two_words) as (url, server):
            caller = Caller(url)
            headers = {b"traceparent": b"00-a", b"authorization": b"Bearer k"}
            sink = await caller.ask(headers=headers)
            assert (sink.status, sink.headers[b"content-type"]) == (200, b"text/event-stream; charset=utf-8")
            assert [each["text_output"] for each in texts(sink)] == ["one ", "two"]
            assert (server.metadata["traceparent"], server.metadata["authorization"]) == ("00-a", "Bearer k")
            # What the model says of itself is asked once.
            await caller.ask()
            assert server.described == 1
            await caller.rpc.close()
            assert caller.rpc.active() == 0

    run(work)


def test_a_server_that_leaves_the_stream_open_behind_the_last_answer_keeps_nobody_waiting() -> None:
    async def lingers(_: Scripted, request: Any, context: Any) -> AsyncIterator[Any]:
        yield said("all")
        yield said("", final=True)
        await asyncio.Event().wait()

    async def work() -> None:
        async with scripted(lingers) as (url, server):
            caller = Caller(url)
            assert [each["text_output"] for each in texts(await caller.ask())] == ["all"]
            # And is told in the end.
            await server.cancelled.wait()
            await caller.rpc.close()

    run(work)


def test_one_answer_is_one_document() -> None:
    async def once(_: Scripted, request: Any, context: Any) -> AsyncIterator[Any]:
        yield said("all")

    async def work() -> None:
        async with scripted(once) as (url, _):
            caller = Caller(url)
            sink = await caller.ask("/v2/models/m/generate")
            assert (sink.status, sink.document["text_output"]) == (200, "all")
            await caller.rpc.close()
        async with scripted(two_words) as (url, _):
            caller = Caller(url)
            sink = await caller.ask("/v2/models/m/generate")
            assert sink.status == 400
            assert "exactly 1 response" in sink.document["error"]
            await caller.rpc.close()

    run(work)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("INVALID_ARGUMENT", 400),
        ("UNAUTHENTICATED", 401),
        ("PERMISSION_DENIED", 403),
        ("NOT_FOUND", 404),
        ("RESOURCE_EXHAUSTED", 429),
        ("INTERNAL", 500),
        ("UNKNOWN", 500),
        ("UNAVAILABLE", 503),
        ("DEADLINE_EXCEEDED", 504),
    ],
)
def test_a_status_of_the_server_is_a_status_of_the_answer(code: str, status: int) -> None:
    async def refuses(_: Scripted, request: Any, context: Any) -> AsyncIterator[Any]:
        await context.abort(grpc.StatusCode[code], "no")
        yield said("never")

    async def work() -> None:
        async with scripted(refuses) as (url, _):
            caller = Caller(url)
            sink = await caller.ask()
            assert (sink.status, sink.document) == (status, {"error": "no"})
            await caller.rpc.close()

    run(work)


@pytest.mark.parametrize("spoken", [True, False])
@pytest.mark.parametrize("message", ["out of memory", "[request id: x] no such input"])
def test_an_error_in_the_stream(message: str, *, spoken: bool) -> None:
    async def breaks(_: Scripted, request: Any, context: Any) -> AsyncIterator[Any]:
        if spoken:
            yield said("one ")
        broken = said("")
        broken.error_message = message
        yield broken

    async def work() -> None:
        async with scripted(breaks) as (url, _):
            caller = Caller(url)
            sink = await caller.ask()
            if spoken:
                assert sink.status == 200
                assert texts(sink)[1] == {"error": message}
            else:
                assert (sink.status, sink.document) == (400 if message[0] == "[" else 500, {"error": message})
            await caller.rpc.close()

    run(work)


def test_a_call_that_is_given_up_is_seen_by_the_server() -> None:
    async def work() -> None:
        async with scripted(nothing_more) as (url, server):
            caller = Caller(url)
            call, sink = caller.start()
            while not sink.parts:
                await asyncio.sleep(0)
            call.cancel()
            await server.cancelled.wait()
            assert not sink.done.is_set()
            await caller.rpc.close()

    run(work)


@pytest.mark.parametrize(
    ("script", "timers", "error"),
    [
        (nothing_more, {"idle_s": SHORT_S}, IdleTimeout),
        (nothing_more, {"total_s": 4 * SHORT_S}, TotalTimeout),
    ],
)
def test_a_stream_that_stands_still(script: Any, timers: dict[str, float], error: type[GatewayError]) -> None:
    async def work() -> None:
        async with scripted(script) as (url, server):
            caller = Caller(url)
            await caller.ask("/v2/models/m/ready")
            sink = await caller.ask(**timers)
            assert isinstance(sink.error, error)
            await server.cancelled.wait()
            await caller.rpc.close()

    run(work)


def test_a_server_that_does_not_begin() -> None:
    async def never(_: Scripted, request: Any, context: Any) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield said("never")

    async def work() -> None:
        async with scripted(never) as (url, server):
            caller = Caller(url)
            await caller.ask("/v2/models/m")
            sink = await caller.ask(first_token_s=20 * SHORT_S)
            assert isinstance(sink.error, FirstTokenTimeout)
            await server.cancelled.wait()
            await caller.rpc.close()

    run(work)


def test_a_slow_reader_slows_the_server_down() -> None:
    sent = 0

    async def floods(_: Scripted, request: Any, context: Any) -> AsyncIterator[Any]:
        nonlocal sent
        for _each in range(400):
            sent += 1
            yield said("x" * 65_536)

    async def work() -> None:
        async with scripted(floods) as (url, _):
            caller = Caller(url)
            call, sink = caller.start()
            while not sink.parts:
                await asyncio.sleep(0)
            call.pause()
            seen = -1
            while seen != sent:
                seen = sent
                await asyncio.sleep(SHORT_S)
            # Buffers of both sides and of the system hold a part.
            assert sent < 300
            call.resume()
            await sink.done.wait()
            assert len(sink.parts) == 400
            await caller.rpc.close()

    run(work)


def test_what_is_wrong_with_a_call_is_said_before_it_is_made() -> None:
    async def work() -> None:
        async with scripted(two_words) as (url, _):
            caller = Caller(url)
            assert isinstance((await caller.ask(STREAM, b'{"text_input":1}')).error, MalformedRequest)
            assert isinstance((await caller.ask("/v2/models/m/load", b"")).error, NotAvailable)
            broken = await caller.ask("/v2/models/m/infer", b"{}", headers={b"inference-header-content-length": b"9"})
            assert isinstance(broken.error, MalformedRequest)
            assert (await caller.ask("/v2/models/nobody/generate")).status == 404
            assert (await caller.ask("/v2/models/nobody/ready")).status == 400
            described = await caller.ask("/v2/models/m")
            assert described.document["inputs"] == [{"name": "text_input", "datatype": "BYTES", "shape": [1]}]
            await caller.rpc.close()

    run(work)


def test_nobody_is_there() -> None:
    async def work() -> None:
        caller = Caller(f"grpc://127.0.0.1:{free_port()}")
        assert isinstance((await caller.ask()).error, ConnectFailed)
        await caller.rpc.close()

    run(work)


def test_a_server_that_dies_in_the_middle_and_a_gateway_that_stops() -> None:
    async def work() -> None:
        async with scripted(nothing_more) as (url, _):
            caller = Caller(url)
            _, sink = caller.start()
            while not sink.parts:
                await asyncio.sleep(0)
        await sink.done.wait()
        assert sink.status == 200
        assert isinstance(sink.error, StreamBroken) or texts(sink)[-1].keys() == {"error"}
        async with scripted(nothing_more) as (url, _):
            stopped = Caller(url)
            _, left = stopped.start()
            while not left.parts:
                await asyncio.sleep(0)
            await stopped.rpc.close()
            assert isinstance(left.error, ConnectFailed)
        await caller.rpc.close()

    run(work)


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(triton_messages, "import_module", missing)

    async def work() -> None:
        with pytest.raises(Misconfigured, match=r"weighbridge\[triton\]"):
            TritonRpc().load()

    run(work)
