"""A scripted provider: answers with exact bytes, waits, resets; and remembers what it was asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

RESET = "reset"
CLOSE = "close"
# Says that no more will come, and goes on listening.
HALF = "half"
# A step of a script: bytes to send, an event to wait for, seconds to wait, or how to end the connection.
Step = bytes | asyncio.Event | float | str


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    head: bytes


@dataclass
class ScriptedProvider:
    """Plays one script a request; the last one is repeated."""

    scripts: list[list[Step] | Callable[[Asked], list[Step]]]
    asked: list[Asked] = field(default_factory=list)
    # Scripts that are over, whole or not.
    played: int = 0
    port: int = 0
    connections: int = 0
    open: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self.closed.set()
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines if line)}
        if headers.get("transfer-encoding") == "chunked":
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(method, path, headers, body, head)
        self.asked.append(asked)
        script = self.scripts[min(len(self.asked), len(self.scripts)) - 1]
        try:
            return await self._play(script(asked) if callable(script) else script, reader, writer)
        finally:
            self.played += 1

    async def _play(self, steps: list[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for step in steps:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, asyncio.Event):
                gone = asyncio.ensure_future(reader.read(1))
                came = asyncio.ensure_future(step.wait())
                await asyncio.wait({gone, came}, return_when=asyncio.FIRST_COMPLETED)
                gone.cancel()
                came.cancel()
                await asyncio.gather(gone, came, return_exceptions=True)
                if not step.is_set():
                    return False
            elif step == HALF:
                writer.write_eof()
                await reader.read()
                return False
            elif step == RESET:
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            else:
                return False
        return True


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks, without trailers."""
    pieces: list[bytes] = []
    while size := int(await reader.readline(), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(pieces)


@asynccontextmanager
async def scripted(
    *scripts: list[Step] | Callable[[Asked], list[Step]], port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedProvider]:
    """Run a scripted provider on a port, or on a free one; by TLS where it has a certificate."""
    provider = ScriptedProvider(list(scripts))
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(provider.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=tls)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def whole(body: bytes, status: str = "200 OK", headers: bytes = b"content-type: application/json\r\n") -> bytes:
    """A whole answer."""
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status.encode(), headers, len(body), body)


EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
