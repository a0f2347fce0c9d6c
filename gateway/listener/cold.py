"""The cold side of the listener: aiohttp's low-level server for every connection that does not start hot.

It serves every route, the hot ones too; answers go out as the same bytes, through the same framing, as on the hot side.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, Protocol, cast

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

from gateway.core.errors import GatewayError, MalformedRequest, RequestTimeout
from gateway.core.exchange import Headers, Incoming
from gateway.core.ports import Reply
from gateway.listener import framing, reply
from gateway.listener.drive import Drive
from gateway.listener.health import Health
from gateway.listener.hot import HOT
from gateway.listener.line import SwitchedLine

log = logging.getLogger("weighbridge.listener")
WRITE_HIGH_BYTES = 262_144
MAX_PIPELINED_BYTES = 262_144
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)


class Owner(Protocol):
    """The server, as far as the cold side needs it."""

    draining: bool
    now_ns: Callable[[], int]
    commit: Callable[[], None]

    def expect(self, connection: ColdConnection) -> None:
        """A request head has begun to arrive."""
        ...

    def unexpect(self, connection: ColdConnection) -> None:
        """No deadline for now."""
        ...

    def idle(self, connection: ColdConnection) -> None:
        """A connection waits for its next request."""
        ...

    def take_back(self, transport: asyncio.Transport, data: bytes) -> None:
        """A connection is one for the hot side from here on."""
        ...

    def serve(self, incoming: Incoming, reply: Reply) -> Drive:
        """Start serving a request."""
        ...

    def refuse(self, incoming: Incoming, reply: Reply) -> None:
        """Answer a request that never became one."""
        ...


class Sent(web.StreamResponse):
    """Tells aiohttp that the answer is already on the transport."""

    def __init__(self, *, close: bool) -> None:
        super().__init__()
        self._close_after = close

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection may serve another request."""
        return not self._close_after

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing is left to send."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send."""


class ColdReply:
    """The :class:`~gateway.core.ports.Reply` of a request on the cold side: framed bytes, straight to the transport."""

    def __init__(self, connection: ColdConnection, *, close: bool, chunked: bool, head_only: bool) -> None:
        self._connection = connection
        self._transport = cast("asyncio.Transport", connection.transport)
        self.close = close
        self._chunked = chunked
        self._head_only = head_only
        self.started = False
        self.gone = connection.transport is None

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer in one write."""
        listener = self._connection.listener
        self.close |= listener.draining
        listener.commit()
        if not self.gone:
            self._transport.write(reply.whole(status, headers, body, close=self.close, head_only=self._head_only))

    def start(self, status: int, headers: bytes) -> None:
        """Send the head of a stream."""
        self.started = True
        self.close |= self._connection.listener.draining
        if not self.gone:
            self._transport.write(reply.stream_head(status, headers, close=self.close, chunked=self._chunked))

    def write(self, data: bytes) -> None:
        """Send a piece of a stream."""
        if data and not self.gone:
            self._transport.write(reply.chunk(data) if self._chunked else data)

    def finish(self, tail: bytes) -> None:
        """Send the last piece and end the stream."""
        self._connection.listener.commit()
        self.write(tail)
        if self._chunked and not self.gone:
            self._transport.write(reply.LAST_CHUNK)

    def abort(self) -> None:
        """Cut the connection."""
        self.close = True
        if not self.gone:
            self._transport.abort()

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Who to tell when the client reads too slowly."""
        self._connection.flow = (pause, resume)

    def switch(self, headers: bytes) -> SwitchedLine:
        """Answer that the protocol is another one from here on; nothing else is ever served on the connection."""
        self.close = self.started = True
        line = self._connection.switch()
        if not self.gone:
            self._transport.write(reply.switched(headers))
        return line


class ColdConnection(RequestHandler):
    """An aiohttp connection with the listener's framing checks, deadlines and flow control around it."""

    def __init__(self, manager: web.Server, listener: Owner, **options: Any) -> None:
        super().__init__(manager, **options)
        self.listener = listener
        self.flow: tuple[Callable[[], None], Callable[[], None]] | None = None
        self.reply: ColdReply | None = None
        self._head = b""
        self._serving = False
        self._left: int | None = 0
        self._payload: StreamReader | None = None
        # Requests in a row that the hot side would serve.
        self._hot_run = 0
        # When the request that is being read began to arrive.
        self.received_ns = 0
        # The body that is being read is not framed in valid chunks.
        self.broken = False
        # What was pipelined behind the request being served.
        self._backlog = b""
        # Where bytes go once the protocol is another one.
        self.line: SwitchedLine | None = None

    def data_received(self, data: bytes) -> None:
        """Check each request head as raw bytes before aiohttp reads it, and give it one request at a time."""
        if self.line is not None:
            self.line.feed(data)
            return
        if self._serving:
            self._pass_body(data)
            return
        if not self._head:
            # An empty line before a request is no request (RFC 9112 §2.2).
            data = data.lstrip(b"\r\n")
            if not data:
                return
            self.received_ns = self.listener.now_ns()
            self._hot_run = self._hot_run + 1 if data.startswith(HOT) else 0
            if self._hot_run > 1 and not self._request_in_progress:
                self._leave(data)
                return
        head = self._head + data
        end = head.find(b"\r\n\r\n", max(0, len(self._head) - 3)) + 4
        fault = framing.check_partial(head) if end < 4 else framing.check_head(head[:end])
        if fault is not None:
            self._head = b""
            self._refuse(fault)
        elif end < 4:
            if not self._head:
                self.listener.expect(self)
            self._head = head
        else:
            self._head = b""
            self._serving = True
            self.listener.unexpect(self)
            length = _LENGTH.search(head, 0, end)
            # A body whose length only the parser knows takes all that comes; its connection ends with the answer.
            self._left = None if _CODING.search(head, 0, end) else int(length[1]) if length else 0
            super().data_received(head[:end])
            self._payload = self._messages[-1][1] if self._messages else None
            self._pass_body(head[end:])

    def switch(self) -> SwitchedLine:
        """Serve no more requests: what comes from here on, and what has come already, goes to a line."""
        line = self.line = SwitchedLine(cast("asyncio.Transport", self.transport), leaving=self.listener.draining)
        self.flow = (line.pause, line.resume)
        backlog, self._backlog = self._backlog, b""
        if len(backlog) > MAX_PIPELINED_BYTES and self.transport is not None:
            self.transport.resume_reading()
        line.feed(backlog)
        return line

    def _leave(self, data: bytes) -> None:
        """Give the connection to the hot side: its client has settled for calls that are served there."""
        transport, self.transport = self.transport, None
        self.connection_lost(None)
        self.listener.take_back(cast("asyncio.Transport", transport), data)

    def _pass_body(self, data: bytes) -> None:
        left = self._left
        if left is not None:
            self._backlog += data[left:]
            data = data[:left]
            self._left = left - len(data)
            if len(self._backlog) > MAX_PIPELINED_BYTES and self.transport is not None:
                self.transport.pause_reading()
        if data:
            super().data_received(data)
            if self._messages and hasattr(self._messages[-1][0], "exc") and self._payload is not None:
                # aiohttp queues a body's error behind the request, whose reader would wait for the rest for ever.
                self.broken = True
                self._payload.feed_eof()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone: its handler is cancelled."""
        self.listener.unexpect(self)
        if self.reply is not None:
            self.reply.gone = True
        if self.line is not None:
            self.line.lost()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        super().pause_writing()
        if self.flow is not None:
            self.flow[0]()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        if self.flow is not None:
            self.flow[1]()

    def expire(self) -> None:
        """The head did not arrive in time, or nothing came for too long."""
        if self._head:
            self._refuse(RequestTimeout("The request did not arrive in time."))
        else:
            self.force_close()

    def served(self) -> None:
        """A request is answered: the next bytes are a head again."""
        self.reply = self.flow = None
        if self._left != 0 or self.line is not None:
            # The rest of the body is still coming; aiohttp reads it for a while and closes.
            return
        self._serving = False
        self.listener.idle(self)
        backlog, self._backlog = self._backlog, b""
        if backlog:
            if len(backlog) > MAX_PIPELINED_BYTES and self.transport is not None:
                self.transport.resume_reading()
            self.data_received(backlog)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse, in our own shape, and record it."""
        self._refuse(MalformedRequest("The request is not valid HTTP/1.1."))
        return Sent(close=True)

    def _refuse(self, fault: GatewayError) -> None:
        if self.transport is None:
            return
        answer = ColdReply(self, close=True, chunked=True, head_only=False)
        peer = self.transport.get_extra_info("peername")
        shown = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""
        self.listener.refuse(Incoming("", "", "", {}, b"", shown, self.listener.now_ns(), fault), answer)
        self.force_close()


class ColdSide(web.Server):
    """Makes cold connections and turns their requests into exchanges."""

    def __init__(self, listener: Owner, health: Health, max_body_bytes: int, body_timeout_s: float) -> None:
        super().__init__(self._handle, handler_cancellation=True, access_log=None)
        self._listener = listener
        self._health = health
        self._max_body_bytes = max_body_bytes
        self._body_timeout_s = body_timeout_s

    def __call__(self) -> ColdConnection:
        """Make a protocol for one connection."""
        return ColdConnection(
            self, self._listener, loop=asyncio.get_running_loop(), access_log=None, logger=log, auto_decompress=False,
            max_line_size=framing.MAX_HEAD_BYTES, max_field_size=framing.MAX_HEAD_BYTES,
            max_headers=framing.MAX_HEADER_LINES, keepalive_timeout=75, lingering_time=3,
        )  # fmt: skip

    def take(self, transport: asyncio.Transport, data: bytes, received_ns: int) -> None:
        """Serve a connection from here on, its first bytes included, which came when it is said."""
        connection = self()
        transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        connection.connection_made(transport)
        transport.set_protocol(connection)
        connection.data_received(data)
        connection.received_ns = received_ns

    def drain(self) -> None:
        """Tell those that have switched to another protocol that the gateway is about to go."""
        for connection in cast("list[ColdConnection]", list(self.connections)):
            if connection.line is not None:
                connection.line.leave()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("ColdConnection", request.protocol)
        close = not request.keep_alive or b"transfer-encoding" in {name.lower() for name, _ in request.raw_headers}
        answer = ColdReply(
            connection, close=close, chunked=request.version >= (1, 1), head_only=request.method == "HEAD"
        )
        connection.reply = answer
        try:
            await self._serve(request, connection, answer)
        finally:
            connection.served()
        return Sent(close=answer.close)

    async def _serve(self, request: web.BaseRequest, connection: ColdConnection, answer: ColdReply) -> None:
        path, _, query = request.raw_path.partition("?")
        probe = self._health.answer(path, query)
        if probe is not None:
            answer.send(*probe)
            return
        incoming = await self._read(request, connection, path, query)
        if incoming.fault is not None:
            answer.close = True
        drive = self._listener.serve(incoming, answer)
        try:
            await drive.wait()
        finally:
            drive.cancel()

    async def _read(self, request: web.BaseRequest, connection: ColdConnection, path: str, query: str) -> Incoming:
        headers: Headers = {}
        fault: GatewayError | None = None
        received_ns = connection.received_ns
        for name, value in request.raw_headers:
            fault = framing.add_header(headers, bytes(name), bytes(value)) or fault
        http_1_0 = request.version < (1, 1)
        fault = fault or framing.check_length(headers, http_1_0=http_1_0, max_body_bytes=self._max_body_bytes)
        if request.method == "CONNECT":
            # What follows would be the tunnel's, not a request.
            fault = fault or MalformedRequest("CONNECT is not possible.")
        if path.startswith(("http://", "https://")):
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        body = bytearray()
        if fault is None and request.can_read_body:
            spent_s = (self._listener.now_ns() - received_ns) / 1e9
            try:
                async with asyncio.timeout(max(0.0, self._body_timeout_s - spent_s)):
                    async for piece in request.content.iter_any():
                        body += piece
                        if len(body) > self._max_body_bytes:
                            fault = framing.too_large(self._max_body_bytes)
                            break
            except TimeoutError:
                fault = RequestTimeout("The request did not arrive in time.")
            except web.RequestPayloadError:
                connection.broken = True
        if connection.broken:
            fault = fault or MalformedRequest("The request body is not framed in valid chunks.")
        peer = request.transport.get_extra_info("peername") if request.transport else None
        shown = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""
        return Incoming(request.method, path, query, headers, bytes(body), shown, received_ns, fault)
