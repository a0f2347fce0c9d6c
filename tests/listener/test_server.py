"""The server's own part: what it counts."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.listener.hot import HotConnection
from tests.support.listening import CLOSING, HOT, Echo, listening, post


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


def test_calls_are_served_until_those_who_spread_them_have_noticed():
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (server, port):

            async def asked() -> bytes:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(post(HOT, b"hello"))
                # Its own end says that the answer is over.
                answer = await reader.read()
                writer.close()
                return answer

            server.announce()
            head = await asked()
            assert b"200 OK" in head.partition(b"\r\n")[0]
            assert b"connection: close" in head.lower()
            server.drain()
            await asked()
            assert [each.fault is None for each in handler.seen] == [True, False]

    asyncio.run(main())


class Written:
    """A client's transport that says what it is given, and when."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def write(self, data: bytes) -> None:
        self._log.append(data.rpartition(b"\r\n\r\n")[2].decode() or "end of stream")

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 50000)

    def set_write_buffer_limits(self, high: int) -> None:
        assert high > 0

    def close(self) -> None:
        self._log.append("close")


def test_answers_of_one_turn_leave_together_after_their_records():
    async def main() -> None:
        handler = Echo()
        log: list[str] = []
        async with listening(handler) as (server, _):
            server.commit = lambda: log.append("records")
            connections = [HotConnection(server) for _ in range(3)]
            for each, body in zip(connections, (b"one", b"two", b"three"), strict=True):
                transport: Any = Written(log)
                each.connection_made(transport)
                each.data_received(post(HOT, body))
                each.data_received(post(HOT, body.upper(), CLOSING if body == b"three" else b""))
            connections[1].gone = True
            assert log == []
            await asyncio.sleep(0)
            # What was pipelined comes in the turn after.
            assert log == ["records", "one", "close", "three"]
            for _ in range(3):
                await asyncio.sleep(0)
            assert log[4:] == ["records", "ONE", "THREE", "close"]
            del log[:]
            connections[0].data_received(post(HOT, b"stream"))
            assert log[-2:] == ["records", "end of stream"]
            assert log.count("records") == 1

    asyncio.run(main())


def test_answers_that_wait_for_their_turn_leave_when_the_server_closes():
    async def main() -> None:
        log: list[str] = []
        async with listening(Echo()) as (server, _):
            connection = HotConnection(server)
            transport: Any = Written(log)
            connection.connection_made(transport)
            connection.data_received(post(HOT, b"one"))
            server.drain()
            await server.close(0)
        assert log[:1] == ["one"]
        assert "close" in log[1:]

    asyncio.run(main())
