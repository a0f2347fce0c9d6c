"""A client's connection after it has switched to another protocol: bytes both ways, each side as fast as it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

READ_BYTES = 65_536


class SwitchedLine:
    """A :class:`gateway.core.ports.ClientLine`; its connection feeds it.

    Args:
        transport: Of the connection. Made to wait while more than twice :data:`READ_BYTES` are unread.
        leaving: The gateway is about to go already.
    """

    def __init__(self, transport: asyncio.Transport, *, leaving: bool) -> None:
        self._transport = transport
        self._reader = asyncio.StreamReader(limit=READ_BYTES)
        self._reader.set_transport(transport)
        self._flows = asyncio.Event()
        self._flows.set()
        self._leaving = leaving
        self._leave: Callable[[], None] | None = None

    # --- its connection

    def feed(self, data: bytes) -> None:
        """Take bytes from the client."""
        if data:
            self._reader.feed_data(data)

    def lost(self) -> None:
        """The client is gone."""
        self._reader.feed_eof()
        self._flows.set()

    def pause(self) -> None:
        """The client reads too slowly."""
        self._flows.clear()

    def resume(self) -> None:
        """The client has caught up."""
        self._flows.set()

    def leave(self) -> None:
        """The gateway is about to go."""
        self._leaving = True
        if self._leave is not None:
            self._leave()

    # --- ClientLine

    async def read(self) -> bytes:
        """Give the next bytes; none at the end."""
        return await self._reader.read(READ_BYTES)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drained(self) -> None:
        """Wait while the client reads too slowly."""
        await self._flows.wait()

    def close(self) -> None:
        """Send what is left and end the connection."""
        self._transport.close()

    def on_leaving(self, leave: Callable[[], None]) -> None:
        """Say who must know that the gateway is about to go."""
        self._leave = leave
        if self._leaving:
            leave()
