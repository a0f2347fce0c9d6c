"""The lean HTTP/1.1 client of the hot path: keep-alive pools, timers, cancellation, backpressure; nothing else.

An answer's pieces go to an :class:`~gateway.core.ports.AnswerSink` from ``data_received``: no task switch and no queue
between a provider's socket and a client's. Redirects, cookies, proxies and compression are not its business.

RFC 9112; https://docs.python.org/3/library/asyncio-protocol.html
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.clients.http_connection import HttpCall, UpstreamConnection
from gateway.clients.origin import Origin
from gateway.clients.tls import client_context
from gateway.core.errors import ConnectFailed, GatewayError, Overloaded
from gateway.core.exchange import Timeouts
from gateway.core.ports import AnswerSink

SWEEP_S = 0.1
DEFAULT_MAX_CONNECTIONS = 4096
# Looks a host up, by name and port; raises a GatewayError where it is not to be connected to.
Resolve = Callable[[str, int], Awaitable[list[str]]]
IDLE_CONNECTION_S = 55.0


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
        resolve: Says which addresses of a host are connected to, where not every host may be: see
            :func:`gateway.clients.outside.public_addresses`. ``None`` leaves it to the system.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        resolve: Resolve | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = self._loop.time
        self._tls = tls
        self._resolve = resolve
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
            if connection.ready():
                connection.start(call)
                return call
            connection.drop()
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
        if not connection.taken:
            # It was still being made: whoever makes it says so.
            return
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
        call.dialing = self._loop.create_task(self._connect(call))
        call.dialing.add_done_callback(partial(_dialed, pool))

    async def _connect(self, call: HttpCall) -> bool:
        """Connect a call; returns whether there is a connection now."""
        origin = call.origin
        try:
            connection = await self._reach(origin)
        except GatewayError as error:
            call.dialing = None
            call.fail(error)
            return False
        except (OSError, ssl.CertificateError) as error:
            call.dialing = None
            call.fail(ConnectFailed(f"Could not connect to the provider ({type(error).__name__})."))
            return False
        call.dialing = None
        if not connection.usable():
            # Closed again at once; nobody has been told.
            call.fail(ConnectFailed("The provider closed the connection without an answer."))
            return False
        connection.taken = True
        if call in self._active:
            connection.start(call)
        else:
            self.release(connection)
        return True

    async def _reach(self, origin: Origin) -> UpstreamConnection:
        """Connect to an origin: to its name, or to the first of the addresses that it may be reached at."""
        context = self.context() if origin.tls else None
        hosts = [origin.host] if self._resolve is None else await self._resolve(origin.host, origin.port)
        failed: OSError | None = None
        for host in hosts:
            try:
                _, connection = await self._loop.create_connection(
                    lambda: UpstreamConnection(self, origin),
                    host,
                    origin.port,
                    ssl=context,
                    server_hostname=origin.host if context is not None else None,
                )
            except OSError as error:
                failed = error
            else:
                return connection
        raise failed or OSError

    def context(self) -> ssl.SSLContext:
        """What TLS to providers needs."""
        if self._tls is None:
            self._tls = client_context()
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


def _dialed(pool: Pool, dialing: asyncio.Task[bool]) -> None:
    """Give back the place of a connection that did not come about; a task that was cancelled may never have begun."""
    if dialing.cancelled() or dialing.exception() is not None or not dialing.result():
        pool.open -= 1
