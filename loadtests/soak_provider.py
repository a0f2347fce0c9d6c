"""The provider of the soak, in a process of its own: six dialects, and whatever a call wants to go wrong.

``python -m loadtests.soak_provider`` prints ``listening on PORT``.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import cast

import uvloop

from loadtests.soak_calls import answer_to, spoken, wanted

# How long it goes on before it says more to a client that is about to leave.
LATER_S = 0.2


class Provider(asyncio.Protocol):
    """One connection, one request after the other."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer a request that is whole; there is no pipelining."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.lower().split(b"\r\ncontent-length:")
        length = int(lines[1].partition(b"\r\n")[0]) if len(lines) > 1 else 0
        if len(rest) >= length:
            self._buffer = b""
            self._answer(head.split(b" ", 2)[1], rest)

    def _answer(self, path: bytes, body: bytes) -> None:
        does, variant, stream = wanted(body)
        answer = answer_to(spoken(path), does, variant, stream=stream)
        if answer.data:
            self._transport.write(answer.data)
        if answer.later:
            asyncio.get_running_loop().call_later(LATER_S, self._go_on, answer.later)
        elif answer.ends and answer.data:
            self._transport.close()
        elif answer.ends:
            self._reset()

    def _go_on(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def _reset(self) -> None:
        raw: socket.socket = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


async def serve() -> None:
    """Listen until killed."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0)
    sys.stdout.write(f"listening on {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
