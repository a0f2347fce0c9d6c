"""Connections that switch to another protocol, on real sockets."""

from __future__ import annotations

import asyncio

from gateway.core.exchange import Incoming
from gateway.core.ports import ClientLine, Reply, Switching
from gateway.listener.line import READ_BYTES, SwitchedLine
from tests.support.listening import Echo, listening

UPGRADE = (
    b"GET /v1/realtime HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx-a: b\r\n\r\n"


class Speaker(Echo):
    """Switches, and says back what it hears until it hears ``bye``."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = b""
        self.left = 0
        self.line: ClientLine | None = None
        self.flood = 0
        self.ended = asyncio.Event()

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        assert isinstance(reply, Switching)
        line = self.line = reply.switch(b"x-a: b\r\n")
        line.on_leaving(self._leave)
        try:
            while data := await line.read():
                self.heard += data
                for _ in range(self.flood):
                    line.write(b"x" * 1_000_000)
                    await line.drained()
                line.write(data)
                if data.endswith(b"bye"):
                    break
            line.close()
            line.write(b"never")
        finally:
            self.ended.set()

    def _leave(self) -> None:
        self.left += 1


async def until_heard(handler: Speaker, data: bytes) -> None:
    async with asyncio.timeout(20):
        while handler.heard != data:
            await asyncio.sleep(0.005)


def test_bytes_go_both_ways_after_the_switch_those_behind_the_head_too() -> None:
    async def main() -> None:
        handler = Speaker()
        async with listening(handler) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(UPGRADE + b"early")
            assert await reader.readexactly(len(ANSWER)) == ANSWER
            assert await reader.readexactly(5) == b"early"
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.readexactly(18) == b"GET / HTTP/1.1\r\n\r\n"
            writer.write(b"bye")
            assert await reader.read() == b"bye"
            writer.close()
            while server.connections():
                await asyncio.sleep(0.005)
            assert server.in_flight() == 0

    asyncio.run(main())


def test_a_client_that_goes_is_noticed() -> None:
    async def main() -> None:
        handler = Speaker()
        async with listening(handler) as (_, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(UPGRADE + b"x")
            await until_heard(handler, b"x")
            writer.transport.abort()
            await asyncio.wait_for(handler.ended.wait(), 20)

    asyncio.run(main())


def test_a_client_that_does_not_read_is_waited_for() -> None:
    async def main() -> None:
        handler = Speaker()
        handler.flood = 24
        async with listening(handler) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(UPGRADE + b"x")
            await until_heard(handler, b"x")
            writer.write(b"bye")
            # Nothing is read, so the answer to this does not come; all comes as soon as somebody reads.
            assert await reader.readexactly(len(ANSWER)) == ANSWER
            assert not handler.ended.is_set()
            got = await asyncio.wait_for(reader.read(-1), 60)
            assert len(got) == 48_000_000 + len(b"xbye")
            writer.close()

    asyncio.run(main())


def test_what_nobody_reads_stays_with_the_client() -> None:
    async def main() -> None:
        handler = Speaker()
        async with listening(handler) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            handler.flood = 1_000
            writer.write(UPGRADE + b"x")
            await until_heard(handler, b"x")
            assert await reader.readexactly(len(ANSWER)) == ANSWER
            writer.write(b"y" * 64_000_000)
            line = handler.line
            assert line is not None
            # The line holds no more than its bound, whatever the client sends.
            assert isinstance(line, SwitchedLine)
            held: bytearray = vars(line._reader)["_buffer"]
            for _ in range(50):
                await asyncio.sleep(0.001)
                assert len(held) <= 2 * READ_BYTES + 300_000
            writer.transport.abort()

    asyncio.run(main())


def test_lines_are_told_that_the_gateway_is_about_to_go() -> None:
    async def main() -> None:
        handler = Speaker()
        async with listening(handler) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(UPGRADE + b"x")
            await reader.readexactly(len(ANSWER) + 1)
            assert not handler.left
            server.drain()
            assert handler.left == 1
            writer.write(b"bye")
            assert await reader.read() == b"bye"
            writer.close()

    asyncio.run(main())
