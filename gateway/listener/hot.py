"""The hot side of the listener: one small protocol over httptools, from socket to pipeline without a detour.

A connection whose first request is not one of :data:`HOT` goes to the cold side for good, first bytes and all. What
stays here may still be any request: this side serves every route through the pipeline, but for upgrades.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import httptools

from gateway.core.errors import GatewayError, MalformedRequest, RequestTimeout
from gateway.core.exchange import Headers, Incoming
from gateway.listener import framing, reply

if TYPE_CHECKING:
    from gateway.listener.server import Server

HOT = (b"POST /v1/chat/completions ", b"POST /v1/completions ", b"POST /v1/embeddings ")
# A client that pipelines more than this while it waits is not read until it has its answer.
MAX_PIPELINED_BYTES = 262_144
WRITE_HIGH_BYTES = 262_144
_HEAD = -2
_CHUNKED = -1
# Where the value of Content-Length stands, whatever the name's case but its last letters.
_LENGTH = b"ength: "
_NAME = b"\r\ncontent-l"


class Head:
    """A request head that was read: equal bytes, the length's digits left out, need not be read again."""

    __slots__ = ("chunked", "close", "headers", "key", "memo", "method", "path", "query")

    def __init__(self, key: bytes, method: str, target: bytes, headers: Headers) -> None:
        self.key = key
        self.method = method
        self.path, _, self.query = target.decode("latin-1").partition("?")
        self.headers = headers
        self.memo: dict[str, Any] = {}
        self.close = False
        self.chunked = True


class HotConnection(asyncio.Protocol):
    """One client connection; also the :class:`~gateway.core.ports.Reply` of the request it is serving.

    A request's head is checked as raw bytes before httptools reads it, and the body is taken by length, so every head
    on the connection is checked, however requests were packed into reads.
    """

    __slots__ = (
        "_backlog", "_body", "_chunked", "_close", "_complete", "_fault", "_head", "_headers", "_known", "_left",
        "_lingers", "_parser", "_pause", "_read", "_resume", "_size", "_task", "_url", "busy", "gone", "peer",
        "received_ns", "server", "started", "transport",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        self.server = server
        self.gone = False
        # A request is with the pipeline; what arrives meanwhile waits in the backlog.
        self.busy = False
        self.received_ns = 0
        self._backlog = b""
        self._head = b""
        self._task: asyncio.Task[None] | None = None
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self._close = self._lingers = False
        self._known: Head | None = None
        self._headers: Headers = {}
        self._url = b""
        self._chunked = True
        self._reset()

    def _reset(self) -> None:
        self._read: Head | None = None
        self._body: list[bytes] = []
        self._size = 0
        # Bytes of the body still to come; _CHUNKED while the parser knows, _HEAD before the head is whole.
        self._left = _HEAD
        self._complete = False
        self._fault: GatewayError | None = None
        self.started = False
        self._parser: httptools.HttpRequestParser | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register with the server, which watches that a request arrives in time."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        peer = transport.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer or "")
        self.server.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: whatever was being done for it stops."""
        self.gone = True
        self.server.closed(self)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Take bytes into the request that is arriving, or keep them while another is served."""
        if self._lingers:
            return
        if self.busy:
            self._backlog += data
            if len(self._backlog) > MAX_PIPELINED_BYTES:
                self.transport.pause_reading()
        elif self._left == _HEAD:
            self._take_head(data)
        else:
            self._take_body(data)

    def pause_writing(self) -> None:
        """The client reads too slowly: whoever feeds it must wait."""
        if self._pause is not None:
            self._pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._resume is not None:
            self._resume()

    # --- parsing

    def _take_head(self, data: bytes) -> None:
        if not self._head:
            if not data.startswith(HOT):
                self.server.hand_over(self, data)
                return
            self.received_ns = self.server.now_ns()
        searched = max(0, len(self._head) - 3)
        head = self._head + data if self._head else data
        end = head.find(b"\r\n\r\n", searched)
        if end < 0:
            self._head = head
            fault = framing.check_partial(head)
            if fault is not None:
                self._refuse(fault)
            else:
                self.server.expect_request(self)
            return
        end += 4
        self._head = b""
        raw = head[:end]
        at = raw.find(_LENGTH) + 7
        until = raw.find(b"\r", at)
        if at >= 7 and self._known is not None and raw[:at] + raw[until:] == self._known.key:
            fault = self._same_head(self._known, raw[at:until])
        else:
            fault = framing.check_head(raw) or self._parse_head(raw, at, until)
        if fault is not None:
            self._refuse(fault)
            return
        rest = head[end:]
        if self._left and not rest and self._read is not None and b"expect" in self._read.headers:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._take_body(rest)

    def _same_head(self, known: Head, digits: bytes) -> GatewayError | None:
        length = int(digits) if digits.isdigit() and len(digits) <= 18 else -1
        if not 0 <= length <= self.server.max_body_bytes:
            return framing.check_length(
                {**known.headers, b"content-length": digits}, http_1_0=False, max_body_bytes=self.server.max_body_bytes
            )
        self._read = known
        self._left = length
        self._close = known.close
        return None

    def _parse_head(self, head: bytes, at: int, until: int) -> GatewayError | None:
        self._headers: Headers = {}
        self._url = b""
        self._parser = parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            return MalformedRequest("Upgrade is not possible on this connection.")
        except httptools.HttpParserError:
            return self._fault or MalformedRequest("The request is not valid HTTP/1.1.")
        if self._fault is not None:
            return self._fault
        http_1_0 = parser.get_http_version() == "1.0"
        self._chunked = not http_1_0
        self._close = http_1_0 or not parser.should_keep_alive()
        headers = self._headers
        fault = framing.check_length(headers, http_1_0=http_1_0, max_body_bytes=self.server.max_body_bytes)
        if fault is not None:
            return fault
        self._read = read = Head(head[:at] + head[until:], parser.get_method().decode("ascii"), self._url, headers)
        read.close = self._close
        if b"transfer-encoding" in headers:
            self._left = _CHUNKED
            return None
        self._left = int(headers.pop(b"content-length", b"0"))
        # Only where the digits that were left out are those of Content-Length itself.
        self._known = read if self._chunked and head[at - 18 : at - 7].lower() == _NAME else None
        return None

    def _take_body(self, data: bytes) -> None:
        left = self._left
        if left == _CHUNKED:
            self._take_chunks(data)
            return
        if len(data) > left:
            self._backlog, data = data[left:], data[:left]
        if data:
            self._body.append(data)
            self._left = left = left - len(data)
        if left:
            self.server.expect_request(self)
        else:
            self._serve(self._incoming(None))

    def _take_chunks(self, data: bytes) -> None:
        parser = cast("httptools.HttpRequestParser", self._parser)
        try:
            if data:
                parser.feed_data(data)
        except httptools.HttpParserError:
            self._fault = self._fault or MalformedRequest("The request body is not framed in valid chunks.")
        if self._fault is not None:
            self._refuse(self._fault)
        elif self._complete:
            self._serve(self._incoming(None))
        else:
            self.server.expect_request(self)

    def on_message_begin(self) -> None:
        """httptools: bytes behind a chunked body belong to a request whose head was never checked; they are dropped."""
        if self._complete:
            self._close = True

    def on_url(self, url: bytes) -> None:
        """httptools: a piece of the request target."""
        if not self._complete:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header line, or a trailer, which is dropped."""
        if self._left == _HEAD:
            self._fault = framing.add_header(self._headers, name, value) or self._fault

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of a chunked body, bounded."""
        self._size += len(body)
        if self._size > self.server.max_body_bytes:
            self._fault = framing.too_large(self.server.max_body_bytes)
        elif not self._complete:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """httptools: the chunked body is whole."""
        if self._left == _CHUNKED:
            self._complete = True

    def _incoming(self, fault: GatewayError | None) -> Incoming:
        read = self._read
        if read is None:
            return Incoming("POST", "", "", {}, b"", self.peer, self.received_ns, fault)
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return Incoming(
            read.method, read.path, read.query, read.headers, body, self.peer, self.received_ns, fault, read.memo
        )

    def _refuse(self, fault: GatewayError) -> None:
        """Answer a request that cannot be believed, and close: where the next one starts is not known."""
        self._body.clear()
        self._close = self._lingers = True
        self._serve(self._incoming(fault))

    # --- serving

    def _serve(self, incoming: Incoming) -> None:
        self.busy = True
        self._task = self.server.serve(incoming, self)

    def _done(self) -> None:
        """The answer is out: end the connection, or take what was pipelined, or wait for the next request."""
        self.busy = False
        self._task = self._pause = self._resume = None
        if self._lingers and not self.gone:
            self._linger()
            return
        if self._close or self.gone:
            self.transport.close()
            return
        self._reset()
        self.server.answered(self)
        backlog, self._backlog = self._backlog, b""
        if backlog:
            if len(backlog) > MAX_PIPELINED_BYTES:
                self.transport.resume_reading()
            self.data_received(backlog)

    def _linger(self) -> None:
        # Closing with unread bytes in the socket would reset the connection and take the answer with it.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.server.linger(self)

    def arriving(self) -> bool:
        """Whether a part of a request has arrived."""
        return bool(self._head) or self._left != _HEAD

    def expire(self) -> None:
        """The rest of the request did not arrive in time, or nothing came for too long."""
        if self.arriving() and not self._lingers:
            self._refuse(RequestTimeout("The request did not arrive in time."))
        else:
            self.transport.close()

    # --- Reply

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer in one write."""
        self._close |= self.server.draining
        if not self.gone:
            self.transport.write(reply.whole(status, headers, body, close=self._close))
        self._done()

    def start(self, status: int, headers: bytes) -> None:
        """Send the head of a stream."""
        self.started = True
        self._close |= self.server.draining
        if not self.gone:
            self.transport.write(reply.stream_head(status, headers, close=self._close, chunked=self._chunked))

    def write(self, data: bytes) -> None:
        """Send a piece of a stream."""
        if data and not self.gone:
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def finish(self, tail: bytes) -> None:
        """Send the last piece and end the stream."""
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
