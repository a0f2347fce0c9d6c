"""The server of Envoy's protocol, asked by real channels, over exchanges that are scripts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from gateway.clients.ext_proc_server import SERVICE, ExtProcServer
from gateway.core.errors import Misconfigured
from gateway.wire.ext_proc import told
from gateway.wire.ext_proc.asked import Part
from loadtests.ports import free_port
from tests.support import ext_proc_messages as envoy
from tests.support.rpc_server import run


class Echo:
    """Answers every part but the last of a request by a head; later, where the test says so."""

    def __init__(self, peer: str, named: str) -> None:
        self.peer, self.named = peer, named
        self.news: Callable[[], None] = lambda: None
        self.parts: list[Part] = []
        self.out: list[bytes] = []
        self.gone = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()

    def take(self, part: Part) -> None:
        self.parts.append(part)
        self.say()

    def say(self) -> None:
        self.out.append(told.head(told.REQUEST_HEAD))
        self.news()

    def give(self) -> bytes | None:
        return self.out.pop(0) if self.out else None

    async def readable(self) -> None:
        await self.free.wait()

    def left(self) -> None:
        self.gone.set()


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[tuple[Any, list[Echo]]]:
    made: list[Echo] = []

    def begin(peer: str, named: str) -> Echo:
        made.append(Echo(peer, named))
        return made[-1]

    server = ExtProcServer(begin, 1 << 16)
    address = f"127.0.0.1:{free_port()}"
    await server.start(address)
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield channel.stream_stream(f"/{SERVICE}/Process"), made
    finally:
        await server.stop(0)


def test_parts_come_and_messages_go_in_order() -> None:
    async def work() -> None:
        async with served() as (process, made):
            call = process(metadata=(("x-weighbridge-provider", "house"),))
            for last in (False, True):
                await call.write(envoy.body("request_body", b"x", last=last))
                assert envoy.told(await call.read()).WhichOneof("kind") == "request_headers"
            made[0].say()
            made[0].say()
            assert [envoy.told(await call.read()).WhichOneof("kind") for _ in range(2)] == ["request_headers"] * 2
            await call.done_writing()
            assert not await call.read()
            assert (await call.code()).name == "OK"
            await made[0].gone.wait()
            assert (made[0].named, made[0].peer.rpartition(":")[0]) == ("house", "127.0.0.1")
            assert [each.last for each in made[0].parts] == [False, True]

    run(work)


def test_nothing_is_read_while_nothing_should_be() -> None:
    async def work() -> None:
        async with served() as (process, made):
            call = process()
            await call.write(envoy.body("request_body", b"x", last=False))
            await call.read()
            made[0].free.clear()
            await call.write(envoy.body("request_body", b"x", last=False))
            await call.read()
            await call.write(envoy.body("request_body", b"x", last=False))
            made[0].say()
            await call.read()
            assert len(made[0].parts) == 2
            made[0].free.set()
            await call.read()
            assert len(made[0].parts) == 3
            call.cancel()
            await made[0].gone.wait()

    run(work)


def test_who_leaves_is_noticed() -> None:
    async def work() -> None:
        async with served() as (process, made):
            call = process()
            await call.write(envoy.body("request_body", b"x", last=False))
            await call.read()
            call.cancel()
            await made[0].gone.wait()
            # Nobody is there to take it.
            made[0].say()

    run(work)


@pytest.mark.parametrize(
    ("message", "code"),
    [(b"\xff", "INVALID_ARGUMENT"), (b"", "INVALID_ARGUMENT"), (b"\x12\x00\x50\x01", "UNIMPLEMENTED")],
)
def test_what_cannot_be_served_is_refused(message: bytes, code: str) -> None:
    async def work() -> None:
        async with served() as (process, made):
            call = process()
            await call.write(message)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call.read()
            assert raised.value.code().name == code
            await made[0].gone.wait()
            assert made[0].parts == []

    run(work)


def test_an_address_that_is_taken_is_a_fault() -> None:
    async def work() -> None:
        server = ExtProcServer(Echo, 1)
        with pytest.raises(Misconfigured):
            await server.start("no-such-host.invalid:1")
        await server.stop(0)

    run(work)
