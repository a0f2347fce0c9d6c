"""A client of HTTP/2 that says exactly what a test wants said, and shows what comes back."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError

from gateway.app.supervisor import listening_sockets
from gateway.listener.health import Health
from gateway.listener.server import ListenerOptions, Server
from gateway.listener.streams import StreamConnection
from tests.support.listening import Echo

Fields = list[tuple[Any, Any]]


def asking(path: str = "/v1/chat/completions", method: str = "POST", **more: str) -> Fields:
    fields = [(":method", method), (":scheme", "https"), (":authority", "model.example"), (":path", path)]
    return fields + [(name.replace("_", "-"), value) for name, value in more.items()]


@dataclass
class Told:
    """What came back on one stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None
    informed: list[int] = field(default_factory=list)


@dataclass
class StreamClient:
    """One connection.

    Attributes:
        takes: Whether it lets the server send on when something has come.
        goodbye: Every GOAWAY: up to which stream, and why.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    h2: H2Connection
    takes: bool = True
    told: dict[int, Told] = field(default_factory=dict)
    goodbye: list[tuple[int, int]] = field(default_factory=list)
    over: bool = False

    def ask(self, number: int, fields: Fields, body: bytes | None = b"", *, end: bool = True) -> None:
        """Say a request, or its beginning, without waiting for anything."""
        self.told[number] = Told()
        self.h2.send_headers(number, fields, end_stream=end and not body)
        if body:
            self.h2.send_data(number, body, end_stream=end)
        self.flush()

    async def upload(self, number: int, body: bytes) -> None:
        """Say the rest of a request, as fast as the server takes it."""
        while body and not self.over and self.told[number].reset is None and not self.told[number].ended:
            size = min(len(body), self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if size:
                self.h2.send_data(number, body[:size], end_stream=size == len(body))
                body = body[size:]
                self.flush()
                await self.writer.drain()
            else:
                await self.hear()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def hear(self) -> None:
        """Read once."""
        data = await self.reader.read(65_536)
        if not data:
            self.over = True
            return
        for event in self._read(data):
            stream = self.told.setdefault(getattr(event, "stream_id", 0) or 0, Told())
            if isinstance(event, events.ResponseReceived):
                stream.headers = {name.decode(): value.decode() for name, value in event.headers}
                stream.status = int(stream.headers.pop(":status"))
            elif isinstance(event, events.InformationalResponseReceived):
                stream.informed.append(int(dict(event.headers)[b":status"]))
            elif isinstance(event, events.DataReceived):
                stream.body += event.data
                if self.takes:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, events.StreamEnded):
                stream.ended = True
            elif isinstance(event, events.StreamReset):
                stream.reset = int(event.error_code)
        self.flush()

    def _read(self, data: bytes) -> list[events.Event]:
        came: list[events.Event] = []
        # A GOAWAY would end all for h2, whatever is still on its way.
        while data:
            size = 9 + int.from_bytes(data[:3], "big")
            frame, data = data[:size], data[size:]
            if len(frame) >= 17 and frame[3] == 7:
                self.goodbye.append((int.from_bytes(frame[9:13], "big"), int.from_bytes(frame[13:17], "big")))
            else:
                came += self.h2.receive_data(frame)
        return came

    async def until(self, seen: Callable[[], object]) -> None:
        """Read until something is seen, or the connection is over."""
        while not seen() and not self.over:
            await self.hear()
        assert seen() or self.over

    async def answer(self, number: int) -> Told:
        """Read until a stream has ended."""
        told = self.told[number]
        await self.until(lambda: told.ended or told.reset is not None)
        return told

    async def ends(self) -> None:
        """Read to the end of the connection."""
        try:
            while not self.over:
                await self.hear()
        except (ConnectionError, ProtocolError):
            self.over = True


@dataclass
class Place:
    server: Server
    echo: Echo
    port: int
    clients: list[StreamClient] = field(default_factory=list)

    async def client(self, receives: int = 0) -> StreamClient:
        """Connect; with a buffer of so many bytes for what the server sends."""
        sock = socket.socket()
        if receives:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        client = StreamClient(reader, writer, H2Connection(H2Configuration(client_side=True, header_encoding=None)))
        client.h2.initiate_connection()
        client.flush()
        self.clients.append(client)
        return client


@asynccontextmanager
async def streaming(
    handler: Echo | None = None, *, header_timeout_s: float = 30.0, max_body_bytes: int = 1_000_000, sends: int = 0
) -> AsyncIterator[Place]:
    """A server of HTTP/2 on a free port, without TLS before it; with a buffer of so many bytes for what it sends."""
    echo = handler or Echo()
    options = ListenerOptions(max_body_bytes=max_body_bytes, header_timeout_s=header_timeout_s)
    server = Server(lambda: echo, Health(dict), options, time.monotonic_ns, echo.commit)
    sockets = listening_sockets("127.0.0.1", 0, 1)
    if sends:
        sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sends)
    await server.start_for(sockets, lambda: StreamConnection(server))
    place = Place(server, echo, sockets[0].getsockname()[1])
    try:
        async with asyncio.timeout(60):
            yield place
    finally:
        for client in place.clients:
            client.writer.transport.abort()
        echo.release.set()
        await server.close(1)
