from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.clients import triton_channel
from gateway.clients.triton_channel import Server
from gateway.clients.triton_messages import Messages
from gateway.core.errors import ConnectFailed, ConnectTimeout
from gateway.wire.triton.rpc_paths import RpcTarget
from loadtests.ports import free_port
from tests.support.rpc_server import run, scripted, two_words

MODEL = RpcTarget("generate", "m", "")


def test_what_a_model_takes_is_asked_once_and_anew_when_it_may_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with scripted(two_words) as (url, service):
            server = Server(url, Messages())
            await server.connected(10)
            found = await server.inputs(MODEL, ())
            assert set(found) == {"text_input"}
            assert await server.inputs(MODEL, ()) is found
            server.forget(MODEL)
            await server.inputs(MODEL, ())
            assert service.described == 2
            monkeypatch.setattr(triton_channel, "MAX_DESCRIBED", 1)
            await server.inputs(RpcTarget("generate", "other", ""), ())
            await server.inputs(MODEL, ())
            assert service.described == 4
            await server.close()

    run(work)


@pytest.mark.parametrize("scheme", ["grpc", "grpcs"])
def test_a_server_that_accepts_and_says_nothing(scheme: str) -> None:
    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            server = Server(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}", Messages())
            with pytest.raises(ConnectTimeout):
                await server.connected(0.2)
            await server.close()

    run(work)


def test_a_server_that_refuses_is_told_from_one_that_is_late() -> None:
    async def work() -> None:
        server = Server(f"grpc://127.0.0.1:{free_port()}", Messages())
        with pytest.raises(ConnectFailed):
            await server.connected(10)
        await server.close()

    run(work)


def test_a_server_that_takes_its_time_is_connected_to() -> None:
    async def work() -> None:
        async with scripted(two_words) as (url, _), slow(url, 0.5) as late:
            server = Server(late, Messages())
            await server.connected(10)
            assert set(await server.inputs(MODEL, ())) == {"text_input"}
            await server.close()

    run(work)


@asynccontextmanager
async def slow(url: str, after_s: float) -> AsyncIterator[str]:
    """Stand before a server, and let nothing through for a while after a client has connected."""
    host, _, port = url.removeprefix("grpc://").partition(":")
    loop, pumps = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        go_on = asyncio.Event()
        loop.call_later(after_s, go_on.set)
        await go_on.wait()
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        for each in (pump(reader, inner_writer), pump(inner_reader, writer)):
            pumps.add(loop.create_task(each))

    front = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"grpc://127.0.0.1:{front.sockets[0].getsockname()[1]}"
    finally:
        front.close()
        if pumps:
            await asyncio.wait(pumps)
        await front.wait_closed()
