"""The listener of programs that know nothing of a gateway: clients of a proxy, and connections that a firewall sends.

What is meant for a host that serves models is served as if by it: TLS ends here, with a certificate made for the host,
and each request is a call like any other. All else is tunnelled as it is, or refused. Clients that do know of a gateway
are served as ever.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from importlib import import_module
from ipaddress import ip_address
from typing import Any, Protocol, cast

import msgspec

from gateway.core.errors import ClientGone, GatewayError, Overloaded, PermissionDenied, RequestTimeout
from gateway.core.exchange import Incoming
from gateway.listener import newcomer as first
from gateway.listener.newcomer import Held, Meant, Newcomer
from gateway.listener.server import Handler, Server
from gateway.listener.tunnel import Half, dial
from gateway.wire.client_hello import read_client_hello

log = logging.getLogger("weighbridge.listener")
MAX_TUNNELS = 8192
MAX_GUESTS = 256
# A client that was going elsewhere and says nothing waits for somebody else to speak.
SILENCE_S = 1.0
STREAMS = "gateway.listener.streams"
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Told(msgspec.Struct, kw_only=True):
    """A connection that was not served but tunnelled, or refused where no answer could be read.

    Attributes:
        host: With its port: ``example.com:443``.
        received_ns: Monotonic clock when it was asked for.
        fault: Why it was refused, or what it ended with.
    """

    host: str
    peer: str
    received_ns: int
    bytes_in: int = 0
    bytes_out: int = 0
    fault: GatewayError | None = None


class Hosts(Protocol):
    """Knows which hosts serve models; :class:`gateway.app.intercepting.Interception`."""

    only_models: bool

    def find(self, host: str, port: int, *, tls: bool) -> str:
        """Name what serves a host's calls; empty where the host serves no models."""
        ...

    def guest(self, name: str) -> Handler:
        """Give what serves a host's calls, by the name that :meth:`find` has for it."""
        ...

    async def context(self, host: str) -> ssl.SSLContext:
        """Give the host's certificate.

        Raises:
            Misconfigured: There is none.
        """
        ...

    def tell(self, told: Told) -> None:
        """Put a connection on record that has ended."""
        ...


class Gatehouse:
    """Takes connections, and finds out where each goes.

    Args:
        own: Serves those that are for the gateway itself, and answers those that are refused.
        hosts: Who is stood in for.
        make: Makes the server of a host's calls.
        patience_s: So long a connection may take until it is known what it is for.
    """

    def __init__(
        self, own: Server, hosts: Hosts, make: Callable[[Callable[[], Handler]], Server], patience_s: float
    ) -> None:
        self.own = own
        self._hosts = hosts
        self._make = make
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._guests: dict[str, Server] = {}
        self._newcomers: dict[Newcomer, asyncio.TimerHandle] = {}
        self._tunnels: set[Half] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life, as of a Server

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept connections on listening sockets."""
        await self.own.start_for(sockets, lambda: Newcomer(self))

    def announce(self) -> None:
        """Say that the process is about to go."""
        for each in self._servers():
            each.announce()

    def drain(self) -> None:
        """Refuse new calls from now on; tunnels stay until the last call has ended."""
        for each in self._servers():
            each.drain()

    async def close(self, timeout_s: float) -> int:
        """End all; see :meth:`gateway.listener.server.Server.close`."""
        cut = sum(await asyncio.gather(*(each.close(timeout_s) for each in self._servers())))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for newcomer in list(self._newcomers):
            newcomer.transport.abort()
        return cut

    def in_flight(self) -> int:
        """Requests being served now."""
        return sum(each.in_flight() for each in self._servers())

    def connections(self) -> int:
        """Client connections open now, tunnels included."""
        return sum(each.connections() for each in self._servers()) + len(self._newcomers) + len(self._tasks)

    def _servers(self) -> list[Server]:
        return [self.own, *self._guests.values()]

    # --- what a newcomer tells

    def came(self, newcomer: Newcomer) -> None:
        """A connection was made; what it is for must be known in time."""
        patience_s = self._patience_s if newcomer.sent_to is None else min(SILENCE_S, self._patience_s)
        self._newcomers[newcomer] = self._loop.call_later(patience_s, self._expire, newcomer)
        newcomer.over = partial(self._settle, newcomer)

    def judge(self, newcomer: Newcomer) -> None:
        """Find out where a connection goes, as soon as its first bytes tell."""
        data = newcomer.read
        try:
            if first.speaks_tls(data):
                self._judge_tls(newcomer, data)
            elif newcomer.sent_to is not None:
                self._judge_sent(newcomer, *newcomer.sent_to)
            elif (elsewhere := first.wants_elsewhere(data)) is False:
                self._give(newcomer, self.own, data)
            elif elsewhere and (head := first.whole_head(data)) is not None:
                self._judge_meant(newcomer, first.read_meant(head), data[len(head) :])
        except GatewayError as fault:
            self._refuse(newcomer, fault)

    def _judge_tls(self, newcomer: Newcomer, data: bytes) -> None:
        hello = read_client_hello(data)
        if hello is None:
            return
        # Also who was led here by a name that means us is meant for the host it names.
        to, port = newcomer.sent_to or (hello.server_name, 443)
        host = hello.server_name or to
        name = self._hosts.find(host, port, tls=True)
        if name:
            self._begin(newcomer, self._stand_in(newcomer, host, name, data), f"{host}:{port}")
        elif newcomer.sent_to is None or self._hosts.only_models:
            newcomer.read = data
            self._refuse(newcomer, _refused(), f"{host}:{port}")
        else:
            self._begin(newcomer, self._tunnel(newcomer, to, port, data), f"{host}:{port}")

    def _judge_sent(self, newcomer: Newcomer, to: str, port: int) -> None:
        """A connection without TLS that was going elsewhere: its request says to whom, if it is one of HTTP."""
        data = newcomer.read
        for_proxy, host = first.wants_elsewhere(data), to
        if for_proxy is None:
            return
        if not for_proxy and first.begins_as_http(data):
            if (head := first.whole_head(data)) is None:
                return
            host = first.host_header(head) or to
        self._lead(newcomer, host, to, port)

    def _lead(self, newcomer: Newcomer, host: str, to: str, port: int) -> None:
        data = newcomer.read
        name = self._hosts.find(host, port, tls=False)
        if name:
            self._give(newcomer, self._server(name), data)
        elif self._hosts.only_models:
            raise _refused()
        else:
            self._begin(newcomer, self._tunnel(newcomer, to, port, data), f"{host}:{port}")

    def _judge_meant(self, newcomer: Newcomer, meant: Meant, rest: bytes) -> None:
        """A request for a proxy."""
        said, data = (_ESTABLISHED, rest) if meant.tunnel else (b"", meant.head + rest)
        place = f"{meant.host}:{meant.port}"
        name = self._hosts.find(meant.host, meant.port, tls=meant.tunnel)
        if name and meant.tunnel:
            self._begin(newcomer, self._stand_in(newcomer, meant.host, name, data, said), place)
        elif name:
            self._give(newcomer, self._server(name), data)
        elif self._hosts.only_models:
            self._refuse(newcomer, _refused(), place)
        else:
            self._begin(newcomer, self._tunnel(newcomer, meant.host, meant.port, data, said), place)

    def _server(self, name: str) -> Server:
        if (server := self._guests.get(name)) is None:
            if len(self._guests) >= MAX_GUESTS:
                raise Overloaded("Too many hosts are stood in for.")
            server = self._guests[name] = self._make(partial(self._hosts.guest, name))
            if self.own.draining:
                server.drain()
        return server

    # --- where it goes

    def _give(self, newcomer: Newcomer, server: Server, data: bytes) -> None:
        self._settle(newcomer)
        server.take_back(newcomer.transport, data)

    def _begin(self, newcomer: Newcomer, work: Coroutine[Any, Any, None], place: str) -> None:
        """Go on beside the loop's other work; what comes meanwhile is kept."""
        self._settle(newcomer)
        newcomer.read = b""
        task = self._loop.create_task(self._guarded(newcomer, work, place))
        newcomer.over = task.cancel
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, newcomer: Newcomer, work: Coroutine[Any, Any, None], place: str) -> None:
        """The edge of this work, which no exception crosses."""
        try:
            await work
        except GatewayError as fault:
            self._refuse(newcomer, fault, place)
        except OSError:
            # Most of the time a program that does not trust our authority. What it said of it is not to be known here.
            log.info("%s: a connection ended before TLS was agreed on", place)
            newcomer.transport.abort()
        except asyncio.CancelledError:
            newcomer.transport.abort()
            raise

    async def _stand_in(self, newcomer: Newcomer, host: str, name: str, data: bytes, said: bytes = b"") -> None:
        """Be the host: TLS ends here, and what comes out of it is served."""
        server, context = self._server(name), await self._hosts.context(host)
        plain, inner = newcomer.transport, Held()
        if said:
            plain.write(said)
        starting = self._loop.create_task(
            self._loop.start_tls(plain, inner, context, server_side=True, ssl_handshake_timeout=self._patience_s)
        )
        try:
            # In the first turn it puts the protocol of TLS in its place, in the second it tells it of the transport.
            for _ in range(2):
                await asyncio.sleep(0)
            if not starting.done():
                _feed(plain, data + newcomer.read)
            transport = await starting
        finally:
            starting.cancel()
        if transport is not None:
            await _take(server, transport, inner)

    async def _tunnel(self, newcomer: Newcomer, host: str, port: int, data: bytes, said: bytes = b"") -> None:
        """Carry bytes both ways until both have said all."""
        if len(self._tunnels) >= 2 * MAX_TUNNELS:
            raise Overloaded("Too many connections are tunnelled.")
        peer, began_ns = newcomer.peer, self.own.now_ns()
        far = await dial(Half, host, port, from_here=_is_here(peer[0]))
        near = Half()
        near.join(far, newcomer.transport)
        self._tunnels |= {near, far}
        try:
            if said:
                newcomer.transport.write(said)
            if waiting := data + newcomer.read:
                near.data_received(waiting)
            newcomer.transport.resume_reading()
            await near.ended.wait()
            await far.ended.wait()
        finally:
            near.abort()
            far.abort()
            self._tunnels -= {near, far}
            told = Told(host=f"{host}:{port}", peer=f"{peer[0]}:{peer[1]}", received_ns=began_ns)
            told.bytes_in, told.bytes_out = near.carried, far.carried
            self._hosts.tell(told)

    # --- what does not go on

    def _expire(self, newcomer: Newcomer) -> None:
        if newcomer.sent_to is not None and not first.speaks_tls(newcomer.read):
            # Where the server speaks first, or in words that are none of HTTP.
            try:
                self._lead(newcomer, newcomer.sent_to[0], *newcomer.sent_to)
            except GatewayError as fault:
                self._refuse(newcomer, fault)
        elif newcomer.read:
            self._refuse(newcomer, RequestTimeout("The request did not arrive in time."))
        else:
            newcomer.transport.abort()

    def _refuse(self, newcomer: Newcomer, fault: GatewayError, place: str = "") -> None:
        self._settle(newcomer)
        host, port = newcomer.peer
        if newcomer.gone or newcomer.transport.is_closing():
            fault = ClientGone("The client has gone.")
        elif newcomer.sent_to is None and not first.speaks_tls(newcomer.read):
            incoming = Incoming("CONNECT", place, "", {}, b"", f"{host}:{port}", self.own.now_ns(), fault)
            self.own.turn_away(newcomer.transport, incoming)
            return
        newcomer.transport.abort()
        self._hosts.tell(Told(host=place, peer=f"{host}:{port}", received_ns=self.own.now_ns(), fault=fault))

    def _settle(self, newcomer: Newcomer) -> None:
        newcomer.settled = True
        if timer := self._newcomers.pop(newcomer, None):
            timer.cancel()


async def _take(server: Server, transport: asyncio.Transport, inner: Held) -> None:
    """Serve what comes out of TLS, in the protocol that its client has chosen."""
    inner.transport = transport
    if first.chose_streams(transport):
        # It takes a while to load, and few need it.
        streams = await asyncio.to_thread(import_module, STREAMS)
        if not inner.gone:
            first.hand_on(transport, inner, cast("asyncio.Protocol", streams.StreamConnection(server)))
    elif not inner.gone:
        server.take_back(transport, inner.read)


def _refused() -> PermissionDenied:
    return PermissionDenied("This proxy is for hosts that serve models.")


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _feed(transport: asyncio.Transport, data: bytes) -> None:
    """Give the protocol of TLS bytes that were read before it was there."""
    # As the loop itself does; that of uvloop is none of asyncio's classes.
    protocol = cast("asyncio.BufferedProtocol", transport.get_protocol())
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
