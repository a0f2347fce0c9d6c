"""All that a worker serves: its listener, clients that speak gRPC, and Envoys that ask about what passes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from gateway.app.build import Shared
from gateway.app.front import front_of
from gateway.app.passages import Passages
from gateway.clients.ext_proc_server import ExtProcServer
from gateway.clients.triton_front import TritonFront
from gateway.config.settings import Settings
from gateway.listener.health import Health
from gateway.listener.passing import Passing
from gateway.listener.rpc_front import RpcFront
from gateway.listener.server import ListenerOptions, Server
from gateway.pipeline import Pipeline

# What has been answered gets so long to leave by gRPC.
GRACE_S = 1.0


class Fronts:
    """As many of them as are asked for.

    Args:
        server: The listener.
        health: Answers the probes.
        present: Gives what is in force.
        shared: What a worker's calls have in common.
        options: Of the listener.
    """

    def __init__(
        self,
        server: Server,
        health: Health,
        present: Callable[[], tuple[Settings, Pipeline]],
        shared: Shared,
        options: ListenerOptions,
    ) -> None:
        self._server = server
        self._health = health
        self._shared = shared
        self._options = options
        self._own = front_of(server, present, shared, options)
        self._passages = Passages(present, shared.clock)
        # Serves what passes through Envoys.
        self._beside: Server | None = None
        self._rpc: list[TritonFront | ExtProcServer] = []

    async def start(self, sockets: list[socket.socket], rpc_address: str, ext_proc_address: str) -> None:
        """Accept connections on listening sockets, and where else it is said; an empty address is none."""
        await self._own.start(sockets)
        most = self._options.max_body_bytes
        if rpc_address:
            triton = TritonFront(RpcFront(self._server, self._health), most, self._shared.rpc.load())
            self._rpc.append(triton)
            await triton.start(rpc_address)
        if ext_proc_address:
            clock, commit = self._shared.clock, self._shared.recorder.commit
            owner = self._beside = Server(
                lambda: self._passages, Health(dict), self._options, clock.monotonic_ns, commit
            )
            envoys = ExtProcServer(lambda peer, named: Passing(owner, peer, named), most)
            self._rpc.append(envoys)
            await envoys.start(ext_proc_address)

    def in_flight(self) -> int:
        """Requests being served now."""
        return self._own.in_flight() + (0 if self._beside is None else self._beside.in_flight())

    def connections(self) -> int:
        """Client connections open now."""
        return self._own.connections()

    def announce(self) -> None:
        """Say that the process is about to go."""
        self._own.announce()

    def drain(self) -> None:
        """Refuse new calls from now on; those on their way finish."""
        self._own.drain()
        if self._beside is not None:
            self._beside.drain()

    async def close(self, timeout_s: float) -> int:
        """Wait for what is on its way, cut what is not done in time, close every socket; gives how many were cut."""
        closing = [self._own.close(timeout_s)]
        if self._beside is not None:
            closing.append(self._beside.close(timeout_s))
        cut = sum(await asyncio.gather(*closing))
        await asyncio.gather(*(each.stop(GRACE_S) for each in self._rpc))
        return cut
