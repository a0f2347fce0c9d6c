"""The reply of a call that came by gRPC: what the pipeline answers, kept until the call's own coroutine takes it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from gateway.core.errors import StreamBroken

HIGH_BYTES = 262_144
LOW_BYTES = 65_536


class RpcReply:
    """A :class:`~gateway.core.ports.Reply` that is read from the other side.

    Args:
        commit: Puts the records of finished calls on disk; called before the last bytes of an answer can be taken.
    """

    def __init__(self, commit: Callable[[], None]) -> None:
        self.gone = False
        self.started = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self._commit = commit
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._news = asyncio.Event()
        self._ended = self._cut = self._paused = False
        self._flow: tuple[Callable[[], None], Callable[[], None]] | None = None

    # --- what the pipeline tells

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Take a whole answer."""
        self._head(status, headers)
        self.finish(body)

    def start(self, status: int, headers: bytes) -> None:
        """Take the head of a stream."""
        self.started = True
        self._head(status, headers)

    def write(self, data: bytes) -> None:
        """Take a piece of a stream."""
        if not data or self.gone or self._ended:
            return
        self._pieces.append(data)
        self._held += len(data)
        self._news.set()
        if self._held > HIGH_BYTES and not self._paused and self._flow is not None:
            self._paused = True
            self._flow[0]()

    def finish(self, tail: bytes) -> None:
        """Take the last piece."""
        self._commit()
        self.write(tail)
        self._ended = True
        self._news.set()

    def abort(self) -> None:
        """The answer is not whole, and its reader must know."""
        self._cut = self._ended = True
        self._news.set()

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Who to tell when the client reads too slowly."""
        self._flow = (pause, resume)

    def over(self) -> None:
        """Nothing more will come, whatever has come."""
        if not self._ended:
            self.abort()

    # --- what the call reads

    async def begun(self) -> None:
        """Wait for the head.

        Raises:
            StreamBroken: There will be none.
        """
        while not self.status and not self._ended:
            await self._next()
        if not self.status:
            raise StreamBroken("The call was given up.")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give what comes, as it comes.

        Raises:
            StreamBroken: The answer was cut.
        """
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._held -= len(piece)
                if self._paused and self._held < LOW_BYTES and self._flow is not None:
                    self._paused = False
                    self._flow[1]()
                yield piece
            if self._ended:
                break
            await self._next()
        if self._cut:
            raise StreamBroken("The answer was cut off.")

    async def body(self) -> bytes:
        """Give all of it."""
        return b"".join([piece async for piece in self.pieces()])

    async def _next(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _head(self, status: int, headers: bytes) -> None:
        self.status = status
        for line in headers.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name:
                self.headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        self._news.set()
