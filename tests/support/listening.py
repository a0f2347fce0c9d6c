"""The listener on a real socket, with a handler behind it that does what a body says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app.supervisor import listening_sockets
from gateway.core.errors import GatewayError
from gateway.core.exchange import Incoming
from gateway.core.ports import Reply
from gateway.listener.health import Health
from gateway.listener.server import ListenerOptions, Server

HOT = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
COLD = b"POST /v1/other HTTP/1.1\r\nhost: a\r\n"


class Echo:
    """A handler that answers with what it was given."""

    def __init__(self) -> None:
        self.seen: list[Incoming] = []
        self.refused: list[GatewayError] = []
        self.cancelled = asyncio.Event()
        self.release = asyncio.Event()
        self.flow: list[str] = []
        self.commits = 0

    def commit(self) -> None:
        self.commits += 1

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        self.seen.append(incoming)
        if incoming.fault is not None:
            self.refuse(incoming, reply, incoming.fault)
        elif incoming.body == b"wait":
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
            reply.send(200, b"", b"waited")
        elif incoming.body == b"stream":
            reply.start(200, b"content-type: text/event-stream\r\n")
            reply.write(b"one")
            reply.write(b"")
            reply.write(b"two")
            reply.finish(b"three")
        elif incoming.body == b"flood":
            reply.on_flow(lambda: self.flow.append("pause"), lambda: self.flow.append("resume"))
            reply.start(200, b"")
            reply.write(b"x" * 8_000_000)
            await self.release.wait()
            reply.finish(b"")
        elif incoming.body == b"bug":
            raise ZeroDivisionError("secret text")
        else:
            reply.send(200, b"x-path: " + incoming.path.encode() + b"\r\n", incoming.body)

    def refuse(self, incoming: Incoming, reply: Reply, error: GatewayError) -> None:
        self.refused.append(error)
        reply.send(error.status, b"", error.code.encode())


@asynccontextmanager
async def listening(handler: Echo, *, header_timeout_s: float = 30.0) -> AsyncIterator[tuple[Server, int]]:
    """A server on a free port that takes bodies of 1000 bytes."""
    options = ListenerOptions(max_body_bytes=1000, header_timeout_s=header_timeout_s)
    server = Server(lambda: handler, Health(dict), options, time.monotonic_ns, handler.commit)
    sockets = listening_sockets("127.0.0.1", 0, 1)
    await server.start(sockets)
    try:
        yield server, sockets[0].getsockname()[1]
    finally:
        handler.release.set()
        await server.close(1)


async def talk(port: int, *pieces: bytes, until_close: bool = True) -> bytes:
    """Send pieces, each in a packet of its own, and read what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.005)
    answer = await asyncio.wait_for(reader.read(-1) if until_close else reader.readuntil(b"\r\n\r\n"), 10)
    writer.close()
    return answer


def post(start: bytes, body: bytes, more: bytes = b"") -> bytes:
    return start + more + b"content-length: %d\r\n\r\n%b" % (len(body), body)


CLOSING = b"connection: close\r\n"
