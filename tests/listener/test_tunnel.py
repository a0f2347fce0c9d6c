"""Bytes both ways as they are, ends of each side for itself; and whom nobody is connected to."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from gateway.core.errors import ConnectFailed, PermissionDenied
from gateway.listener.newcomer import Held
from gateway.listener.tunnel import Half, dial

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def tunnelled(test: Callable[[Ends, Ends, Half, Half], Awaitable[None]]) -> None:
    """A client, a tunnel and a server; the test has both outer ends."""
    loop = asyncio.get_running_loop()
    served: asyncio.Future[Ends] = loop.create_future()
    server = await asyncio.start_server(lambda r, w: served.set_result((r, w)), "127.0.0.1", 0)
    made: list[Held] = []

    def hold() -> Held:
        made.append(Held())
        return made[0]

    front = await loop.create_server(hold, "127.0.0.1", 0)
    client = await asyncio.open_connection(*front.sockets[0].getsockname())
    far = await dial(Half, "localhost", server.sockets[0].getsockname()[1], from_here=True)
    near, there = Half(), await served
    near.join(far, made[0].transport)
    try:
        async with asyncio.timeout(60):
            await test(client, there, near, far)
    finally:
        for _, writer in (client, there):
            writer.close()
        near.abort()
        far.abort()
        server.close()
        front.close()


def test_bytes_pass_both_ways_and_each_side_ends_for_itself() -> None:
    async def test(client: Ends, there: Ends, near: Half, far: Half) -> None:
        client[1].write(b"\x00\xffask" * 100_000)
        client[1].write_eof()
        assert await there[0].read() == b"\x00\xffask" * 100_000
        # Who has said all can still be told something.
        there[1].write(b"answer")
        there[1].close()
        assert await client[0].read() == b"answer"
        await near.ended.wait()
        await far.ended.wait()
        assert (near.carried, far.carried) == (500_000, 6)

    asyncio.run(tunnelled(test))


def test_who_does_not_read_holds_the_other_up() -> None:
    async def test(client: Ends, there: Ends, near: Half, far: Half) -> None:
        there[1].write(b"x" * 50_000_000)
        before = -1
        while before != far.carried:
            before = far.carried
            for _ in range(200):
                await asyncio.sleep(0.0005)
        assert far.carried < 50_000_000
        left = 50_000_000
        while left:
            left -= len(await client[0].read(1 << 20))

    asyncio.run(tunnelled(test))


@pytest.mark.parametrize("who", ["client", "server"])
def test_one_that_is_gone_takes_the_other_along(who: str) -> None:
    async def test(client: Ends, there: Ends, near: Half, far: Half) -> None:
        transport = (client if who == "client" else there)[1].transport
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
        await near.ended.wait()
        await far.ended.wait()
        with suppress(ConnectionResetError):
            assert await (there if who == "client" else client)[0].read() == b""

    asyncio.run(tunnelled(test))


def test_who_cannot_be_reached_is_said() -> None:
    async def main() -> None:
        with pytest.raises(PermissionDenied):
            await dial(Half, "localhost", 1, from_here=False)
        for host in ("localhost", "no-such-host.invalid", "x" * 300, "."):
            with pytest.raises(ConnectFailed):
                await dial(Half, host, 1, from_here=True)

    asyncio.run(main())
