"""Bytes between a client and a host that is none of our business, as they are; and who may be reached so."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from gateway.clients.outside import may_be_led_to
from gateway.core.errors import ConnectFailed, ConnectTimeout, PermissionDenied

CONNECT_S = 10.0


class Half(asyncio.Protocol):
    """One side of a tunnel.

    Attributes:
        carried: Bytes that came from this side.
        ended: This side is gone.
        said_all: This side says no more.
        other: The other side.
    """

    def __init__(self) -> None:
        self.carried = 0
        self.ended = asyncio.Event()
        self.other: Half | None = None
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self.said_all = False

    def join(self, other: Half, transport: asyncio.Transport) -> None:
        """Be the other side's other side, on a connection that is there already."""
        self.other, other.other = other, self
        self.connection_made(transport)
        transport.set_protocol(self)
        for data in other._early:
            transport.write(data)
        if other.ended.is_set():
            transport.close()

    def abort(self) -> None:
        """End it, whatever is on its way."""
        if self.transport is not None:
            self.transport.abort()
        self.ended.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; a side that dies without a word is found out by the kernel."""
        self.transport = cast("asyncio.Transport", transport)
        with suppress(OSError, AttributeError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """Give it to the other side."""
        self.carried += len(data)
        if self.other is None:
            # A server that speaks first has spoken before the client's side was there.
            self._early.append(data)
        elif self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """This side says no more; the other may, unless it has said all as well."""
        self.said_all = True
        far = self.other
        if far is None or far.transport is None or far.transport.is_closing() or not far.transport.can_write_eof():
            return False
        far.transport.write_eof()
        return not far.said_all

    def pause_writing(self) -> None:
        """This side reads too slowly: the other must wait."""
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """This side has caught up."""
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """One side is gone: so is the other, when what is on its way has arrived."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()
        self.ended.set()


async def dial(make: Callable[[], Half], host: str, port: int, *, from_here: bool) -> Half:
    """Connect to a host.

    Args:
        make: Makes its side of the tunnel.
        host: A name or an address.
        port: Where.
        from_here: The client is on this machine, and reaches by itself what we reach here.

    Raises:
        PermissionDenied: What it names is not to be reached through us.
        ConnectFailed: It cannot be reached.
        ConnectTimeout: Not in time.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            # Connected to by address: a name that is looked up again may be another's by then.
            addresses = [str(entry[4][0]) for entry in found if may_be_led_to(str(entry[4][0]), from_here=from_here)]
            if not addresses:
                raise PermissionDenied("The host is not to be reached through this proxy.")
            return await _first(loop, make, addresses, port)
    except TimeoutError:
        raise ConnectTimeout("The host did not answer in time.") from None
    except (OSError, UnicodeError):
        raise ConnectFailed("The host cannot be reached.") from None


async def _first(loop: asyncio.AbstractEventLoop, make: Callable[[], Half], addresses: list[str], port: int) -> Half:
    """Connect to the first address that takes us."""
    failed: OSError | None = None
    for address in addresses:
        try:
            _, half = await loop.create_connection(make, address, port)
        except OSError as error:
            failed = error
        else:
            return half
    raise failed or OSError
