"""The lean HTTP/1.1 client of the hot path: keep-alive pools, timers, cancellation, backpressure; nothing else.

An answer's pieces go to an :class:`~gateway.core.ports.AnswerSink` from ``data_received``: no task switch and no queue
between a provider's socket and a client's. Redirects, cookies, proxies and compression are not its business.

RFC 9112; https://docs.python.org/3/library/asyncio-protocol.html
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from gateway.clients.http_connection import UpstreamConnection
from gateway.core.errors import (
    ConnectFailed,
    ConnectTimeout,
    FirstTokenTimeout,
    GatewayError,
    IdleTimeout,
    Misconfigured,
    Overloaded,
    TotalTimeout,
)
from gateway.core.exchange import Timeouts
from gateway.core.ports import AnswerSink

SWEEP_S = 0.1
DEFAULT_MAX_CONNECTIONS = 4096
IDLE_CONNECTION_S = 55.0


class Origin(msgspec.Struct, frozen=True):
    """Where connections go: one pool each.

    Attributes:
        host_header: Value of the ``Host`` header, port included where it is not the scheme's own.
    """

    tls: bool
    host: str
    port: int
    host_header: bytes

    @classmethod
    def parse(cls, base_url: str) -> Origin:
        """Read scheme and authority of an ``http`` or ``https`` URL.

        Raises:
            Misconfigured: Not such a URL.
        """
        parts = urlsplit(base_url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == -1:
            raise Misconfigured(f"'{base_url}' is not an http or https URL")
        tls = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        shown = host if port in {None, 443 if tls else 80} else f"{host}:{port}"
        return cls(
            tls, parts.hostname, port or (443 if tls else 80), shown.encode("idna" if not host.isascii() else "ascii")
        )


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

    def __init__(self, client: HttpClient, origin: Origin, wire: bytes, sink: AnswerSink, timeouts: Timeouts) -> None:
        self.client = client
        self.origin = origin
        self.wire = wire
        self.sink = sink
        self.timeouts = timeouts
        self.connection: UpstreamConnection | None = None
        self.dialing: asyncio.Task[None] | None = None
        self.started_s = self.last_s = client.now()
        self.head_only = wire.startswith(b"HEAD ")
        self.paused = False
        self.resent = False
        # True until the first byte of the answer.
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
            if silent_s > timers.first_token_s:
                return FirstTokenTimeout(f"The provider sent nothing within {timers.first_token_s:g} s.")
        elif not self.paused and silent_s > timers.idle_s:
            return IdleTimeout(f"The provider fell silent for {timers.idle_s:g} s.")
        return None


class Pool:
    """Connections to one origin."""

    __slots__ = ("idle", "open")

    def __init__(self) -> None:
        self.idle: list[UpstreamConnection] = []
        self.open = 0


class HttpClient:
    """Sends prebuilt requests over pooled connections.

    Args:
        tls: Context for https origins; ``None`` builds the default one when it is first needed.
        max_connections: Most connections to one origin; a call beyond them fails with ``Overloaded`` at once.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, max_connections: int = DEFAULT_MAX_CONNECTIONS) -> None:
        self._loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = self._loop.time
        self._tls = tls
        self._max_connections = max_connections
        self._pools: dict[Origin, Pool] = {}
        self._active: set[HttpCall] = set()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def send(self, origin: Origin, wire: bytes, sink: AnswerSink, timeouts: Timeouts) -> HttpCall:
        """Start a request.

        Args:
            origin: Where to.
            wire: The whole request, framed with ``Content-Length``.
            sink: Who takes the answer; it may be called before this method returns.
            timeouts: The four timers, checked every :data:`SWEEP_S` seconds.

        Returns:
            The handle by which to cancel it.
        """
        call = HttpCall(self, origin, wire, sink, timeouts)
        self._active.add(call)
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool()
        while pool.idle:
            connection = pool.idle.pop()
            if connection.usable():
                connection.start(call)
                return call
        self._dial(pool, call)
        return call

    def counts(self) -> tuple[int, int]:
        """Return how many upstream connections are open, and how many of those are idle."""
        return sum(pool.open for pool in self._pools.values()), sum(len(pool.idle) for pool in self._pools.values())

    def active(self) -> int:
        """Return how many calls are on their way."""
        return len(self._active)

    def forget(self, call: HttpCall) -> bool:
        """Drop a call that is over; returns whether it was still on its way."""
        if call in self._active:
            self._active.remove(call)
            return True
        return False

    def resend(self, call: HttpCall) -> None:
        """Send again, on a new connection, a call whose kept-alive connection turned out to be dead."""
        call.resent = True
        call.connection = None
        call.last_s = self.now()
        self._dial(self._pools[call.origin], call)

    def release(self, connection: UpstreamConnection) -> None:
        """Take back a connection whose answer is whole."""
        connection.idle_since_s = self.now()
        self._pools[connection.origin].idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """Strike a closed connection off."""
        pool = self._pools[connection.origin]
        pool.open -= 1
        if connection in pool.idle:
            pool.idle.remove(connection)

    async def close(self) -> None:
        """Fail what is on its way and close every connection."""
        self._sweeper.cancel()
        dialing = [call.dialing for call in self._active if call.dialing is not None]
        for call in list(self._active):
            call.fail(ConnectFailed("The gateway is shutting down."))
        for pool in self._pools.values():
            for connection in list(pool.idle):
                connection.drop()
        await asyncio.gather(*dialing, return_exceptions=True)

    def _dial(self, pool: Pool, call: HttpCall) -> None:
        if pool.open >= self._max_connections:
            call.fail(Overloaded("Too many connections to the provider.", retry_after_s=1))
            return
        pool.open += 1
        call.dialing = self._loop.create_task(self._connect(pool, call))

    async def _connect(self, pool: Pool, call: HttpCall) -> None:
        origin = call.origin
        try:
            context = self._context() if origin.tls else None
            _, connection = await self._loop.create_connection(
                lambda: UpstreamConnection(self, origin), origin.host, origin.port, ssl=context
            )
        except (OSError, ssl.CertificateError) as error:
            pool.open -= 1
            call.dialing = None
            call.fail(ConnectFailed(f"Could not connect to the provider ({type(error).__name__})."))
            return
        except asyncio.CancelledError:
            pool.open -= 1
            raise
        call.dialing = None
        if call in self._active:
            connection.start(call)
        else:
            self.release(connection)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _sweep(self) -> None:
        now_s = self.now()
        for call in list(self._active):
            error = call.overdue(now_s)
            if error is not None:
                call.fail(error)
        for pool in self._pools.values():
            while pool.idle and now_s - pool.idle[0].idle_since_s > IDLE_CONNECTION_S:
                pool.idle.pop(0).drop()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
