"""The listener: sockets, connections and their deadlines, and the edge where no exception gets past."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

import msgspec

from gateway.core.errors import Bug, Draining, GatewayError
from gateway.core.exchange import Incoming
from gateway.core.ports import Reply
from gateway.listener.door import ColdDoor
from gateway.listener.drive import Drive
from gateway.listener.health import Health
from gateway.listener.hot import NEVER, HotConnection
from gateway.listener.probes import answer_probe

log = logging.getLogger("weighbridge.listener")
SWEEP_S = 0.25
KEEPALIVE_S = 75.0
LINGER_S = 3.0
CUT_S = 5.0
BACKLOG = 4096


class Handler(Protocol):
    """The pipeline, as the listener sees it."""

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Answer one request; declared failures are answered inside."""
        ...

    def refuse(self, incoming: Incoming, reply: Reply, error: GatewayError) -> None:
        """Answer with an error and record it; a stream that has started is cut."""
        ...


class Connection(Protocol):
    """A client connection, as far as deadlines go."""

    def expire(self) -> None:
        """Its deadline has passed."""
        ...


class Leaver(Protocol):
    """A client connection that can be told that the process is about to go."""

    transport: asyncio.Transport

    def leave(self, *, refuses: bool) -> None:
        """Tell its client to ask no more there; what it asks all the same is refused from some moment on."""
        ...


class ListenerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to listen.

    Attributes:
        max_body_bytes: Largest request body.
        header_timeout_s: A request must be whole so long after its first byte, or after the connection was made.
    """

    max_body_bytes: int
    header_timeout_s: float
    tls: ssl.SSLContext | None = None


class Server:
    """Accepts connections on given sockets and hands requests to a handler.

    Args:
        handler: Gives the present handler; a reload puts another in its place, requests on their way keep theirs.
        health: Answers the probes.
        now_ns: Monotonic clock in nanoseconds.
        commit: Puts the records of finished calls on disk; called before the last bytes of any of their answers leave.
    """

    def __init__(
        self,
        handler: Callable[[], Handler],
        health: Health,
        options: ListenerOptions,
        now_ns: Callable[[], int],
        commit: Callable[[], None],
    ) -> None:
        self.commit = commit
        self._handler = handler
        self._health = health
        self._options = options
        self.now_ns = now_ns
        self.max_body_bytes = options.max_body_bytes
        # Answers say that their connection ends with them.
        self.draining = False
        self._refuses = False
        self._loop = asyncio.get_running_loop()
        self.idle_until_s = self._loop.time() + KEEPALIVE_S
        # Of the cold side; hot connections carry theirs.
        self._deadlines: dict[Connection, float] = {}
        self._leaving: list[tuple[HotConnection, bytes]] = []
        self._connections: set[HotConnection] = set()
        self._leavers: set[Leaver] = set()
        self._parted: asyncio.Future[None] | None = None
        self._drives: set[Drive] = set()
        self._servers: list[asyncio.Server] = []
        self._cold = ColdDoor(
            lambda side: side(self, health, options.max_body_bytes, options.header_timeout_s), self.closed, now_ns
        )
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    # --- life

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept connections on listening sockets."""
        await self.start_for(sockets, lambda: HotConnection(self))

    async def start_for(self, sockets: list[socket.socket], make: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections on listening sockets for somebody who looks at them first."""
        for each in sockets:
            server = await self._loop.create_server(make, sock=each, backlog=BACKLOG, ssl=self._options.tls)
            self._servers.append(server)

    def announce(self) -> None:
        """Let probes say that the process is about to go, and each answer that its connection is; calls are served."""
        self.draining = True
        self._health.draining = True
        for connection in list(self._leavers):
            connection.leave(refuses=False)

    def drain(self) -> None:
        """Refuse new calls from now on; those on their way finish."""
        self.announce()
        self._refuses = True
        for leaver in list(self._leavers):
            leaver.leave(refuses=True)
        for connection in [c for c in self._connections if c.idle()]:
            connection.transport.close()
        self._cold.drain()

    async def close(self, timeout_s: float) -> int:
        """Wait for what is on its way, cut what is not done in time, close every socket.

        Returns:
            How many requests were cut.
        """
        await self._ended(timeout_s)
        cut = len(self._drives)
        for server in self._servers:
            server.close()
        for drive in list(self._drives):
            drive.cancel(Draining())
        await self._ended(CUT_S)
        self._leave()
        await self._parting()
        self._sweeper.cancel()
        for connection in [*self._connections, *self._leavers]:
            connection.transport.close()
        await self._cold.shutdown(CUT_S)
        return cut

    async def _ended(self, timeout_s: float) -> None:
        waits = [self._loop.create_task(drive.wait()) for drive in self._drives]
        if waits:
            _, late = await asyncio.wait(waits, timeout=timeout_s)
            for each in late:
                each.cancel()

    async def _parting(self) -> None:
        """Wait for clients that are still taking what they were answered; each ends its connection then."""
        if self._leavers:
            self._parted = self._loop.create_future()
            await asyncio.wait([self._parted], timeout=LINGER_S)

    def in_flight(self) -> int:
        """Requests being served now."""
        return len(self._drives)

    def connections(self) -> int:
        """Client connections open now."""
        return len(self._connections) + len(self._leavers) + self._cold.connections()

    # --- what a connection tells

    def opened(self, connection: HotConnection) -> None:
        """A connection was made; its first request must come in time."""
        self._connections.add(connection)
        connection.due_s = self._loop.time() + self._options.header_timeout_s

    def closed(self, connection: HotConnection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    def joined(self, connection: Leaver) -> None:
        """A connection was made on which many requests go on at once."""
        self._leavers.add(connection)

    def parted(self, connection: Leaver) -> None:
        """It is gone."""
        self._leavers.discard(connection)
        if self._parted is not None and not self._leavers and not self._parted.done():
            self._parted.set_result(None)

    def expect_request(self, connection: HotConnection, received_ns: int) -> None:
        """A request has begun to arrive; it keeps the deadline that its first byte set."""
        spent_s = (self.now_ns() - received_ns) / 1e9
        connection.due_s = self._loop.time() + max(0.0, self._options.header_timeout_s - spent_s)

    def linger(self, connection: HotConnection) -> None:
        """An answer went out before its request was read; give the client time to see it."""
        connection.due_s = self._loop.time() + LINGER_S

    def expect(self, connection: Connection) -> None:
        """A request head has begun to arrive on the cold side."""
        self._deadlines[connection] = self._loop.time() + self._options.header_timeout_s

    def unexpect(self, connection: Connection) -> None:
        """No deadline for now."""
        self._deadlines.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """A connection on the cold side waits for its next request."""
        self._deadlines[connection] = self._loop.time() + KEEPALIVE_S

    def hand_over(self, connection: HotConnection, data: bytes) -> None:
        """Answer a probe; give any other connection to the cold side, first bytes and all."""
        probed = answer_probe(data, self._health)
        if probed is None:
            self._cold.take(connection, data)
            return
        answer, close = probed
        connection.transport.write(answer)
        connection.due_s = self.idle_until_s
        if close:
            connection.transport.close()

    def take_back(self, transport: asyncio.Transport, data: bytes) -> None:
        """Give a connection to the hot side, with the first bytes of a request if there are any yet."""
        connection = HotConnection(self)
        connection.connection_made(transport)
        transport.set_protocol(connection)
        if data:
            connection.data_received(data)

    def turn_away(self, transport: asyncio.Transport, incoming: Incoming) -> None:
        """Answer the first request of a connection with its fault, and end the connection."""
        connection = HotConnection(self)
        connection.connection_made(transport)
        transport.set_protocol(connection)
        connection.turn_away(incoming)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back in the next turn of the loop."""
        self._loop.call_soon(callback)

    def serve(self, incoming: Incoming, reply: Reply) -> Drive:
        """Serve a request up to its first wait, and go on when that is over."""
        if self._refuses and incoming.fault is None:
            incoming.fault = Draining()
        drive = Drive(self._run(incoming, reply), self._loop, self._drives.discard)
        self._drives.add(drive)
        drive.start()
        return drive

    def leave(self, connection: HotConnection, wire: bytes) -> None:
        """Let an answer go when the records of this turn of the loop are written: many of them in one write."""
        if not self._leaving:
            self._loop.call_soon(self._leave)
        self._leaving.append((connection, wire))

    def _leave(self) -> None:
        leaving, self._leaving = self._leaving, []
        self.commit()
        for connection, wire in leaving:
            connection.left(wire)

    async def _run(self, incoming: Incoming, reply: Reply) -> None:
        """Serve a request; the edge that no exception crosses."""
        handler = self._handler()
        try:
            await handler.handle(incoming, reply)
        except Exception as error:  # the listener's edge: whatever it is, the process and the client survive it
            # The type and the place, never the text: a message may quote what was inspected.
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
            log.error("bug: %s at %s", type(error).__name__, place)
            handler.refuse(incoming, reply, Bug("The gateway failed."))

    def refuse(self, incoming: Incoming, reply: Reply) -> None:
        """Answer a request that never became one."""
        self._handler().refuse(incoming, reply, incoming.fault or Bug("The gateway failed."))

    def _sweep(self) -> None:
        now_s = self._loop.time()
        self.idle_until_s = now_s + KEEPALIVE_S
        for connection in [c for c, due in self._deadlines.items() if due <= now_s]:
            del self._deadlines[connection]
            connection.expire()
        for hot in [c for c in self._connections if c.due_s <= now_s]:
            hot.due_s = NEVER
            hot.expire()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
