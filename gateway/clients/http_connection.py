"""One connection to a provider: bytes to a call's sink, by httptools."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import httptools

from gateway.core.errors import ConnectFailed, GatewayError, InvalidAnswer, StreamBroken
from gateway.core.exchange import Headers

if TYPE_CHECKING:
    from gateway.clients.http import HttpCall, HttpClient, Origin

MAX_HEADER_BYTES = 65_536
MAX_HEADERS = 256
_NO_BODY = frozenset({204, 304})


class UpstreamConnection(asyncio.Protocol):
    """A keep-alive HTTP/1.1 connection that carries one call at a time."""

    __slots__ = (
        "_body",
        "_complete",
        "_head_bytes",
        "_headers",
        "_interim",
        "_keep",
        "_parser",
        "_poisoned",
        "_received",
        "_status",
        "_transport",
        "_until_eof",
        "call",
        "client",
        "idle_since_s",
        "origin",
        "served",
    )

    def __init__(self, client: HttpClient, origin: Origin) -> None:
        self.client = client
        self.origin = origin
        self.call: HttpCall | None = None
        self.idle_since_s = 0.0
        # Calls this connection has carried to the end.
        self.served = 0
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._headers: Headers = {}
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._status = 0
        self._complete = False
        self._interim = False
        self._keep = False
        self._poisoned = False
        self._received = False
        self._until_eof = False

    # --- what the client does with it

    def usable(self) -> bool:
        """Whether a call may start here."""
        return self._transport is not None and not self._transport.is_closing()

    def start(self, call: HttpCall) -> None:
        """Send a call's request and route what comes back to its sink."""
        self.call = call
        call.connection = self
        call.last_s = self.client.now()
        self._complete = self._received = False
        transport = cast("asyncio.Transport", self._transport)
        transport.write(call.wire)
        if call.paused:
            transport.pause_reading()

    def drop(self) -> None:
        """Close at once; the sink hears nothing more."""
        self.call = None
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse, hand the pieces on, finish the call when its answer is whole."""
        call = self.call
        if call is None:
            # Bytes nobody asked for: the next answer on this connection could not be trusted.
            self.drop()
            return
        call.last_s = self.client.now()
        self._received = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            call.fail(InvalidAnswer("The provider tried to switch protocols."))
            return
        except httptools.HttpParserError:
            call.fail(InvalidAnswer("The provider's answer is not valid HTTP."))
            return
        if self.call is not call:
            return
        if self._poisoned:
            call.fail(InvalidAnswer("The provider's answer is not valid HTTP."))
            return
        if self._body:
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body = []
            call.sink.on_data(body)
        if self._complete and self.call is call:
            self._finish(call)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits; resend once when a kept-alive connection died before it answered anything."""
        self.client.lost(self)
        call, self.call = self.call, None
        if call is None:
            return
        if self._until_eof and exc is None:
            self.client.forget(call)
            call.sink.on_end()
        elif self.served and not self._received and not call.resent:
            self.client.resend(call)
        else:
            self._lose(call)

    def _lose(self, call: HttpCall) -> None:
        error: GatewayError
        if self._received:
            error = StreamBroken("The provider closed the connection before its answer was whole.")
        else:
            error = ConnectFailed("The provider closed the connection without an answer.")
        if self.client.forget(call):
            call.sink.on_fail(error)

    def _finish(self, call: HttpCall) -> None:
        self.call = None
        call.connection = None
        self.served += 1
        keep = self._keep and not call.head_only
        self.client.forget(call)
        if call.paused:
            self.resume()
        self._reset()
        if keep and self.usable():
            self.client.release(self)
        else:
            self.drop()
        call.sink.on_end()

    # --- httptools callbacks

    def on_message_begin(self) -> None:
        """A second answer to one request is refused."""
        if self._complete:
            self._poisoned = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect, bounded; names are lowered and repeats joined."""
        self._head_bytes += len(name) + len(value)
        headers = self._headers
        if self._head_bytes > MAX_HEADER_BYTES or len(headers) >= MAX_HEADERS:
            self._poisoned = True
            return
        name = name.lower()
        if name in headers and name != b"set-cookie":
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        """Pass the head on, but for interim (1xx) answers."""
        status = self._parser.get_status_code()
        call = self.call
        if call is None or self._poisoned:
            return
        if status < 200:
            self._interim = True
            return
        call.waiting = False
        self._status = status
        headers, self._headers = self._headers, {}
        bodiless = status in _NO_BODY or call.head_only
        self._until_eof = not bodiless and b"content-length" not in headers and b"transfer-encoding" not in headers
        call.sink.on_head(status, headers)
        if call.head_only:
            self._complete = True

    def on_body(self, body: bytes) -> None:
        """Collect what one read brought, so that it goes on in one piece."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was an interim one."""
        if self._interim:
            self._interim = False
            self._headers = {}
        else:
            # Only in this callback does the parser still know what the message said.
            self._keep = self._parser.should_keep_alive()
            self._complete = True
