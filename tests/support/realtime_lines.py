"""The two ends of a session, written by hand, and a session between them with real rooms behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from gateway.core.call import Call
from gateway.core.exchange import Incoming
from gateway.realtime.ending import Leg
from gateway.realtime.session import Session
from gateway.wire import websocket
from gateway.wire.select import error_dialect
from gateway.wire.websocket import Message, MessageReader
from tests.support.incoming import incoming
from tests.support.rooms import Rooms
from tests.support.sinks import ListReply

MASK = b"\x11\x22\x33\x44"


class HandLine:
    """One end: what a test feeds is read, what is written is kept.

    Args:
        masked: The end is a client, whose frames are masked.
    """

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked
        self._came: asyncio.Queue[bytes] = asyncio.Queue()
        self.written = b""
        self.closed = False
        self.flows = asyncio.Event()
        self.flows.set()
        self.leave: Callable[[], None] | None = None

    async def read(self) -> bytes:
        return await self._came.get()

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    async def drained(self) -> None:
        await self.flows.wait()

    def close(self) -> None:
        self.closed = True

    def on_leaving(self, leave: Callable[[], None]) -> None:
        self.leave = leave

    # --- what a test does

    def feed(self, data: bytes) -> bytes:
        """Let bytes come from this end; gives them back."""
        self._came.put_nowait(data)
        return data

    def say(self, event: Any) -> bytes:
        """Let an event come from this end; gives its frame."""
        return self.feed(websocket.frame(websocket.TEXT, orjson.dumps(event), MASK if self._masked else b""))

    def hang_up(self, code: int = 1000, reason: str = "") -> bytes:
        """Let a close frame come from this end; gives it."""
        payload = websocket.close_payload(code, reason)
        return self.feed(websocket.frame(websocket.CLOSE, payload, MASK if self._masked else b""))

    def vanish(self) -> None:
        """Let the connection end."""
        self._came.put_nowait(b"")

    @property
    def messages(self) -> list[Message]:
        """What was written to it."""
        # A client gets a server's frames, and a server a client's.
        return MessageReader(masked=not self._masked).feed(self.written)

    @property
    def events(self) -> list[Any]:
        """The events that were written to it."""
        return [orjson.loads(each.payload) for each in self.messages if each.opcode == websocket.TEXT]

    @property
    def close_code(self) -> int | None:
        """The code of the close frame that was written to it."""
        codes = [each.close_code for each in self.messages if each.opcode == websocket.CLOSE]
        assert len(codes) <= 1
        return codes[0] if codes else None


def handshake(model: str = "m", path: str = "/v1/realtime") -> Incoming:
    """A handshake as the listener hands it on."""
    asked = incoming(
        "GET",
        path,
        query=f"model={model}",
        headers={
            b"host": b"h",
            b"connection": b"Upgrade",
            b"upgrade": b"websocket",
            b"sec-websocket-version": b"13",
            b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    asked.received_ns = 1_000_000_000
    return asked


class Between:
    """A session that is open, with a hand at each end."""

    def __init__(self, rooms: Rooms, model: str = "m") -> None:
        self.rooms = rooms
        self.client, self.provider = HandLine(masked=True), HandLine(masked=False)
        asked = handshake(model)
        self.call = Call(asked, ListReply(rooms.log), None, error_dialect(asked.path))
        request, course = rooms.pipeline._begin(self.call)
        leg = self.call.attempt = Leg(rooms.clock.monotonic_ns)
        leg.answered(101, {})
        self._session = Session(self.call, request, course, rooms.pipeline, leg)
        self.running = rooms.loop.create_task(self._session.run(self.client, self.provider))

    async def settle(self) -> None:
        """Let everything happen that waits for nothing."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def over(self) -> None:
        """Wait for the end."""
        await asyncio.wait_for(self.running, 20)
