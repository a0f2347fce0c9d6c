"""The way to the cold side, which is loaded when the first connection needs it, or before.

Importing aiohttp takes as long as all the rest of a start. So it comes after, beside the loop; connections that need it
earlier wait unread until it is there, and no other waits for them.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from gateway.listener.hot import HotConnection

if TYPE_CHECKING:
    from gateway.listener.cold import ColdSide

log = logging.getLogger("weighbridge.listener")
MODULE, _CLASS = "gateway.listener.cold", "ColdSide"


class ColdDoor:
    """Connections go through it to the cold side.

    Args:
        make: Makes the cold side of its class.
        leave: Told of a connection that has gone through.
        now_ns: Monotonic clock: a request began when its first bytes came, however long they wait here.
    """

    def __init__(
        self,
        make: Callable[[type[ColdSide]], ColdSide],
        leave: Callable[[HotConnection], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._make = make
        self._leave = leave
        self._now_ns = now_ns
        self._side: ColdSide | None = None
        self._loading: asyncio.Future[object] | None = None
        self._waiting: list[tuple[HotConnection, bytes, int]] = []

    def take(self, connection: HotConnection, data: bytes) -> None:
        """Give a connection to the cold side, first bytes and all, as soon as there is one."""
        self._take(connection, data, self._now_ns())

    def connections(self) -> int:
        """How many have gone through and are there."""
        return 0 if self._side is None else len(self._side.connections)

    def drain(self) -> None:
        """Tell what stays open that the gateway is about to go."""
        if self._side is not None:
            self._side.drain()

    async def shutdown(self, timeout_s: float) -> None:
        """Close what has gone through."""
        if self._loading is not None:
            await asyncio.wait([self._loading])
        if self._side is not None:
            await self._side.shutdown(timeout_s)

    def _take(self, connection: HotConnection, data: bytes, received_ns: int) -> None:
        if self._side is None:
            # The last thing that the module defines: while another thread imports it, it is not there.
            known: type[ColdSide] | None = getattr(sys.modules.get(MODULE), _CLASS, None)
            if known is None:
                self._wait(connection, data, received_ns)
                return
            self._side = self._make(known)
        self._leave(connection)
        self._side.take(connection.transport, data, received_ns)

    def _wait(self, connection: HotConnection, data: bytes, received_ns: int) -> None:
        connection.transport.pause_reading()
        self._waiting.append((connection, data, received_ns))
        if self._loading is None:
            loop = asyncio.get_running_loop()
            self._loading = loop.run_in_executor(None, import_module, MODULE)
            self._loading.add_done_callback(self._open)

    def _open(self, loaded: asyncio.Future[object]) -> None:
        self._loading = None
        waiting, self._waiting = self._waiting, []
        failed = loaded.exception()
        if failed is not None:
            log.error("the cold side cannot be loaded: %s", type(failed).__name__)
        for connection, data, received_ns in waiting:
            if connection.gone:
                continue
            if failed is not None or connection.transport.is_closing():
                connection.transport.abort()
            else:
                connection.transport.resume_reading()
                self._take(connection, data, received_ns)
