"""The server's own part: what it counts."""

from __future__ import annotations

import asyncio

from tests.support.listening import HOT, Echo, listening, post


def test_what_is_cut_at_the_end_is_counted():
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (server, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(post(HOT, b"wait"))
            while not handler.seen:
                await asyncio.sleep(0.005)
            assert server.in_flight() == 1
            server.drain()
            assert await server.close(0.05) == 1
            assert server.in_flight() == 0
            writer.close()

    asyncio.run(main())
