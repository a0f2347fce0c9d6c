"""One connection to a provider, and the call it carries: bytes to the call's sink, by httptools."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from gateway.clients.origin import Origin
from gateway.core.errors import (
    ConnectFailed,
    ConnectTimeout,
    FirstTokenTimeout,
    GatewayError,
    IdleTimeout,
    InvalidAnswer,
    StreamBroken,
    TotalTimeout,
)
from gateway.core.exchange import Headers, Timeouts
from gateway.core.ports import AnswerSink
from gateway.wire.known_head import KnownHead, remember

MAX_HEADER_BYTES = 65_536
MAX_HEADERS = 256
# A kept-alive connection that was dead already is found out so soon; what dies later may have been at work on the call.
RESEND_WITHIN_S = 1.0
_NO_BODY = frozenset({204, 304})
_UNMADE = asyncio.Transport()


class Owner(Protocol):
    """The client, as far as calls and connections need it."""

    now: Callable[[], float]

    def forget(self, call: HttpCall) -> bool:
        """Drop a call that is over; returns whether it was still on its way."""
        ...

    def resend(self, call: HttpCall) -> None:
        """Send a call again on a new connection."""
        ...

    def release(self, connection: UpstreamConnection) -> None:
        """Take back a connection whose answer is whole."""
        ...

    def lost(self, connection: UpstreamConnection) -> None:
        """Strike a closed connection off."""
        ...


class HttpCall:
    """One request on its way; the handle its owner cancels, pauses and resumes."""

    __slots__ = (
        "client",
        "connection",
        "dialing",
        "head_only",
        "last_s",
        "origin",
        "paused",
        "resent",
        "sink",
        "started_s",
        "timeouts",
        "waiting",
        "wire",
    )

    def __init__(self, client: Owner, origin: Origin, wire: bytes, sink: AnswerSink, timeouts: Timeouts) -> None:
        self.client = client
        self.origin = origin
        self.wire = wire
        self.sink = sink
        self.timeouts = timeouts
        self.connection: UpstreamConnection | None = None
        self.dialing: asyncio.Task[bool] | None = None
        self.started_s = self.last_s = client.now()
        self.head_only = wire[:5] == b"HEAD "
        self.paused = self.resent = False
        # True until the head of the answer is in.
        self.waiting = True

    def cancel(self) -> None:
        """Stop: the connection is closed, the provider sees it, the sink hears nothing more. Idempotent."""
        self.client.forget(self)
        if self.dialing is not None:
            self.dialing.cancel()
        if self.connection is not None:
            self.connection.drop()

    def pause(self) -> None:
        """Read no more from the provider until :meth:`resume`."""
        self.paused = True
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        """Read on; the idle timer starts afresh."""
        if not self.paused:
            return
        self.paused = False
        self.last_s = self.client.now()
        if self.connection is not None:
            self.connection.resume()

    def fail(self, error: GatewayError) -> None:
        """End with an error: the connection is closed and the sink is told."""
        if self.client.forget(self):
            if self.dialing is not None:
                self.dialing.cancel()
            if self.connection is not None:
                self.connection.drop()
            self.sink.on_fail(error)

    def overdue(self, now_s: float) -> GatewayError | None:
        """Return the error of the timer that has run out, if any."""
        timers = self.timeouts
        if now_s - self.started_s > timers.total_s:
            return TotalTimeout(f"The provider did not finish within {timers.total_s:g} s.")
        silent_s = now_s - self.last_s
        if self.connection is None:
            if silent_s > timers.connect_s:
                return ConnectTimeout(f"No connection to the provider within {timers.connect_s:g} s.")
        elif self.waiting:
            if now_s - self.connection.waits_since_s(self.last_s) > timers.first_token_s:
                return FirstTokenTimeout(f"The provider sent nothing within {timers.first_token_s:g} s.")
        elif not self.paused and silent_s > timers.idle_s:
            return IdleTimeout(f"The provider fell silent for {timers.idle_s:g} s.")
        return None


def _nothing_said(_timeout_ms: int) -> object:
    return None


class UpstreamConnection(asyncio.Protocol):
    """A keep-alive HTTP/1.1 connection that carries one call at a time."""

    __slots__ = (
        "_body", "_complete", "_head_bytes", "_head_since_s", "_headers", "_interim", "_keep", "_known", "_now",
        "_parser", "_poisoned", "_received", "_said", "_transport", "_until_eof", "call", "client", "idle_since_s",
        "origin", "served", "taken",
    )  # fmt: skip

    def __init__(self, client: Owner, origin: Origin) -> None:
        self.client = client
        self.origin = origin
        self.call: HttpCall | None = None
        self.idle_since_s = 0.0
        # It counts among those that are open.
        self.taken = False
        # Calls this connection has carried to the end.
        self.served = 0
        self._now = client.now
        self._transport: asyncio.Transport = _UNMADE
        self._said: Callable[[int], object] = _nothing_said
        self._parser = httptools.HttpResponseParser(self)
        self._known: KnownHead | None = None
        self._reset()

    def _reset(self) -> None:
        self._headers: Headers = {}
        self._body: list[bytes] = []
        # Bytes of a head that is not whole yet; when the first of them came is kept beside it.
        self._head_bytes = 0
        self._complete = self._interim = self._keep = self._poisoned = self._received = self._until_eof = False

    # --- what the client does with it

    def ready(self) -> bool:
        """Whether the next call may start here: it is open, and the provider has neither said anything nor gone.

        The system is asked, not only the loop: what has come since the loop last looked was sent before our request,
        so it answers nobody, and would be taken for the answer to the next call.
        """
        return self.usable() and not self._said(0)

    def usable(self) -> bool:
        """Whether it is open."""
        return self._transport is not _UNMADE and not self._transport.is_closing()

    def start(self, call: HttpCall) -> None:
        """Send a call's request and route what comes back to its sink."""
        self.call = call
        call.connection = self
        call.last_s = self._now()
        self._transport.write(call.wire)
        if call.paused:
            self._transport.pause_reading()

    def waits_since_s(self, last_s: float) -> float:
        """Since when the head of an answer is waited for: a head that comes drop by drop is no sign of life."""
        return self._head_since_s if self._head_bytes else last_s

    def drop(self) -> None:
        """Close at once; the sink hears nothing more."""
        self.call = None
        if self._transport is not _UNMADE:
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading."""
        if self.usable():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.usable():
            self._transport.resume_reading()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        if (sock := transport.get_extra_info("socket")) is not None:
            poll = select.poll()
            poll.register(sock.fileno(), select.POLLIN)
            self._said = poll.poll

    def data_received(self, data: bytes) -> None:
        """Parse, hand the pieces on, finish the call when its answer is whole."""
        call = self.call
        if call is None:
            # Bytes nobody asked for: the next answer on this connection could not be trusted.
            self.drop()
            return
        call.last_s = self._now()
        known = self._known
        if known is not None and not self._received and not call.head_only:
            answer = known.read(data)
            if answer is not None:
                # The parser, and what its callbacks fill, stay between two answers, where they were.
                self._part(call)
                if self._transport.is_closing():
                    self.drop()
                else:
                    self.client.release(self)
                if self.client.forget(call):
                    call.sink.on_whole(known.status, *answer)
                return
        self._parse(call, data, first=not self._received)

    def _parse(self, call: HttpCall, data: bytes, *, first: bool) -> None:
        self._received = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            call.fail(InvalidAnswer("The provider tried to switch protocols."))
            return
        except httptools.HttpParserError:
            self._poisoned = True
        if call.waiting:
            self._wait_on(len(data))
        # The sink may have given the call up in a callback.
        if self.call is not call:
            return
        if self._poisoned:
            call.fail(InvalidAnswer("The provider's answer is not valid HTTP."))
            return
        self._pass_on(call)
        if self._complete and self.call is call:
            keep = self._keep and not call.head_only
            if keep and first:
                self._remember(data)
            self._part(call)
            if keep and self.usable():
                self._reset()
                self.client.release(self)
            else:
                self.drop()
            if self.client.forget(call):
                call.sink.on_end()

    def _wait_on(self, more_bytes: int) -> None:
        """A part of a head is in: the rest must come in time, and not be endless."""
        if not self._head_bytes:
            self._head_since_s = self._now()
        self._head_bytes += more_bytes
        self._poisoned |= self._head_bytes > MAX_HEADER_BYTES

    def _pass_on(self, call: HttpCall) -> None:
        body = self._body
        if body:
            self._body = []
            call.sink.on_data(body[0] if len(body) == 1 else b"".join(body))

    def _remember(self, data: bytes) -> None:
        head = data.partition(b"\r\n\r\n")[0]
        self._known = remember(self._parser.get_status_code(), head, self._headers) or self._known

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits; resend once when a kept-alive connection died before it answered anything."""
        self.client.lost(self)
        call, self.call = self.call, None
        if call is None:
            return
        if self._until_eof and exc is None:
            self.client.forget(call)
            call.sink.on_end()
        elif self.served and not (self._received or call.resent) and self._now() - call.last_s < RESEND_WITHIN_S:
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

    def _part(self, call: HttpCall) -> None:
        """Part from a call whose answer is whole."""
        self.call = call.connection = None
        self.served += 1
        if call.paused:
            self.resume()

    # --- httptools callbacks

    def on_message_begin(self) -> None:
        """A second answer to one request is refused."""
        if self._complete:
            self._poisoned = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect; names are lowered and repeats joined. Bounded by the bytes of the head."""
        name = name.lower()
        headers = self._headers
        if name in headers and name != b"set-cookie":
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        """Pass the head on, but for interim (1xx) answers."""
        call = self.call
        if call is None or self._poisoned:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._interim = True
            return
        headers = self._headers
        if len(headers) > MAX_HEADERS or sum(map(len, headers.values())) > MAX_HEADER_BYTES:
            self._poisoned = True
            return
        call.waiting = False
        if call.head_only:
            self._complete = True
        elif b"content-length" not in headers and b"transfer-encoding" not in headers:
            self._until_eof = status not in _NO_BODY
        call.sink.on_head(status, headers)

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
