"""The hot side of the listener: one small protocol, from socket to pipeline without a detour.

A request that does not start like one of :data:`HOT` takes its connection to the cold side, first bytes and all; two
that do, in a row, bring it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Protocol, cast

from gateway.core.errors import GatewayError, RequestTimeout
from gateway.core.exchange import Incoming
from gateway.core.ports import Reply
from gateway.listener import reply
from gateway.listener.drive import Drive
from gateway.listener.reader import Head, RequestReader

HOT = (
    b"POST /v1/chat/completions ", b"POST /v1/completions ", b"POST /v1/embeddings ", b"POST /v1/messages ",
    b"POST /anthropic/v1/messages ", b"POST /v1/responses ", b"POST /v1beta/models/",
)  # fmt: skip
# A client that pipelines more than this while it waits is not read until it has its answer.
MAX_PIPELINED_BYTES = 262_144
WRITE_HIGH_BYTES = 262_144
NEVER = inf


class Owner(Protocol):
    """The server, as far as a connection needs it."""

    max_body_bytes: int
    draining: bool
    # Until when a connection that falls idle now may stay so.
    idle_until_s: float
    now_ns: Callable[[], int]
    commit: Callable[[], None]

    def opened(self, connection: HotConnection) -> None:
        """A connection was made."""
        ...

    def closed(self, connection: HotConnection) -> None:
        """A connection is gone."""
        ...

    def expect_request(self, connection: HotConnection, received_ns: int) -> None:
        """A request has begun to arrive and is not whole."""
        ...

    def linger(self, connection: HotConnection) -> None:
        """An answer went out before its request was read."""
        ...

    def hand_over(self, connection: HotConnection, data: bytes) -> None:
        """The connection is one for the cold side."""
        ...

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back in the next turn of the loop."""
        ...

    def serve(self, incoming: Incoming, reply: Reply) -> Drive:
        """Start serving a request."""
        ...

    def leave(self, connection: HotConnection, wire: bytes) -> None:
        """Let an answer go when the records of this turn of the loop are written."""
        ...


class HotConnection(asyncio.Protocol):
    """One client connection; also the :class:`~gateway.core.ports.Reply` of the request it is serving.

    Attributes:
        due_s: When, by the loop's clock, it has waited long enough for bytes.
    """

    __slots__ = (
        "_backlog", "_close", "_drive", "_head", "_lingers", "_pause", "_reader", "_resume", "_server", "busy", "due_s",
        "gone", "started", "transport",
    )  # fmt: skip

    def __init__(self, server: Owner) -> None:
        self._server = server
        self.gone = False
        self.due_s = NEVER
        # A request is with the pipeline; what arrives meanwhile waits in the backlog.
        self.busy = False
        self.started = False
        self._backlog = b""
        self._drive: Drive | None = None
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self._close = self._lingers = False
        self._head: Head | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register with the server, which watches that a request arrives in time."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        peer = transport.get_extra_info("peername")
        shown = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer or "")
        self._reader = RequestReader(shown, self._server.max_body_bytes)
        self._server.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: whatever was being done for it stops."""
        self.gone = True
        self._server.closed(self)
        if self._drive is not None:
            self._drive.cancel()

    def data_received(self, data: bytes) -> None:
        """Take bytes into the request that is arriving, or keep them while another is served."""
        if self.busy or self._lingers:
            self._keep(data)
            return
        reader = self._reader
        if not reader.arriving:
            received_ns = self._server.now_ns()
            incoming = reader.again(data, received_ns)
            if incoming is not None:
                self._head = head = reader.known
                self._close = head is None or head.close
                self._serve(incoming)
                return
            if not data.startswith(HOT):
                self._server.hand_over(self, data)
                return
            reader.received_ns = received_ns
        incoming = reader.feed(data)
        if incoming is not None:
            self._take(incoming)
            return
        self._server.expect_request(self, reader.received_ns)
        if reader.wants_continue:
            reader.wants_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _keep(self, data: bytes) -> None:
        if not self._lingers:
            self._backlog += data
            if len(self._backlog) > MAX_PIPELINED_BYTES:
                self.transport.pause_reading()

    def pause_writing(self) -> None:
        """The client reads too slowly: whoever feeds it must wait."""
        if self._pause is not None:
            self._pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._resume is not None:
            self._resume()

    # --- serving

    def idle(self) -> bool:
        """Whether it has served a request and waits for the next; one that never asked is owed an answer."""
        return self._head is not None and not self.busy and not self._reader.arriving

    def expire(self) -> None:
        """The rest of the request did not arrive in time, or nothing came for too long."""
        if self._reader.arriving and not self._lingers:
            self._refuse(RequestTimeout("The request did not arrive in time."))
        else:
            self.transport.close()

    def turn_away(self, incoming: Incoming) -> None:
        """Answer what cannot be served with its fault; the connection ends with that."""
        self._take(incoming)

    def _refuse(self, fault: GatewayError) -> None:
        self._take(self._reader.refused(fault))

    def _take(self, incoming: Incoming) -> None:
        reader = self._reader
        self._head = head = reader.head
        self._close = head is None or head.close or reader.overrun
        if incoming.fault is not None:
            # Where the next request would start is not known.
            self._close = self._lingers = True
        elif reader.rest:
            self._backlog, reader.rest = reader.rest, b""
        self._serve(incoming)

    def _serve(self, incoming: Incoming) -> None:
        self.busy = True
        self.due_s = NEVER
        drive = self._server.serve(incoming, self)
        # The answer may be out already.
        self._drive = None if drive.ended else drive

    def _done(self) -> None:
        """The answer is out: end the connection, or take what was pipelined, or wait for the next request."""
        self.started = False
        self._drive = self._pause = self._resume = None
        if self._lingers and not self.gone:
            self._linger()
        elif self._close or self.gone:
            self.transport.close()
        else:
            reader = self._reader
            if reader.arriving:
                reader.reset()
            self.due_s = self._server.idle_until_s
            if self._backlog:
                # In a turn of its own: a client that pipelines thousands of requests must not nest thousands of calls.
                self._server.soon(self._take_backlog)
            else:
                self.busy = False

    def _take_backlog(self) -> None:
        self.busy = False
        backlog, self._backlog = self._backlog, b""
        if len(backlog) > MAX_PIPELINED_BYTES:
            self.transport.resume_reading()
        if not self.gone:
            self.data_received(backlog)

    def _linger(self) -> None:
        # Closing with unread bytes in the socket would reset the connection and take the answer with it.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._server.linger(self)

    @property
    def _chunked(self) -> bool:
        return self._head is None or self._head.chunked

    # --- Reply

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer in one write, when its record is on disk."""
        self._close |= self._server.draining
        if status == 200 and not self._close:
            wire = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (headers, len(body), body)
        else:
            wire = reply.whole(status, headers, body, close=self._close)
        self._server.leave(self, wire)

    def left(self, wire: bytes) -> None:
        """The answer may go."""
        if not self.gone:
            self.transport.write(wire)
        self._done()

    def start(self, status: int, headers: bytes) -> None:
        """Send the head of a stream."""
        self.started = True
        self._close |= self._server.draining
        if not self.gone:
            self.transport.write(reply.stream_head(status, headers, close=self._close, chunked=self._chunked))

    def write(self, data: bytes) -> None:
        """Send a piece of a stream."""
        if data and not self.gone:
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def finish(self, tail: bytes) -> None:
        """Send the last piece and end the stream."""
        self._server.commit()
        if not self.gone:
            last = reply.chunk(tail) if tail and self._chunked else tail
            self.transport.write(last + reply.LAST_CHUNK if self._chunked else last)
        self._done()

    def abort(self) -> None:
        """Cut the connection."""
        self._close = True
        self.transport.abort()
        self._done()

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Who to tell when the client reads too slowly."""
        self._pause, self._resume = pause, resume
