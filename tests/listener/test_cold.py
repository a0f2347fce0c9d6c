"""The cold side: what only it does. What both sides do alike is in test_hot.py."""

from __future__ import annotations

import asyncio
import time

from gateway.core.exchange import Incoming
from gateway.core.ports import Reply
from tests.support.listening import COLD, HOT, Echo, listening, post


class Watching(Echo):
    """Keeps which side each request came by."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = ""

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        self.sides += type(reply).__name__[0]
        await super().handle(incoming, reply)


def test_a_connection_that_settles_for_hot_requests_goes_back_to_the_hot_side():
    async def main() -> None:
        handler = Watching()
        async with listening(handler) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for start in (COLD, HOT, HOT, HOT, COLD, HOT, COLD, HOT, HOT):
                writer.write(post(start, b"x"))
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
                assert head.startswith(b"HTTP/1.1 200 OK")
                assert await reader.readexactly(1) == b"x"
            assert handler.sides == "CCHHCCCCH"
            assert server.connections() == 1
            writer.close()
            while server.connections():
                await asyncio.sleep(0.005)

    asyncio.run(main())


def test_a_request_counts_from_its_first_byte_and_not_from_the_end_of_its_head():
    async def main() -> None:
        handler = Watching()
        async with listening(handler) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                whole = post(COLD, b"x")
                writer.write(whole[:20])
                await asyncio.sleep(0.01)
                later_ns = time.monotonic_ns()
                writer.write(whole[20:])
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\nx"), 20)
                assert handler.seen[-1].received_ns < later_ns
            writer.close()

    asyncio.run(main())
