"""An exchange through Envoy without an Envoy: its messages are written by the test, and its answers read there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from gateway.app.passages import Passages
from gateway.config.settings import Settings
from gateway.core.exchange import Incoming
from gateway.core.ports import Reply
from gateway.listener.drive import Drive
from gateway.listener.passing import Passing
from gateway.wire.ext_proc.asked import read_part
from tests.support import ext_proc_messages as envoy
from tests.support.rooms import Rooms

DUPLEX = (envoy.FULL_DUPLEX, envoy.FULL_DUPLEX, False)
BUFFERED = (envoy.BUFFERED, envoy.BUFFERED, False)
PIECEWISE = (envoy.BUFFERED, envoy.STREAMED, True)
CHAT = "/v1/chat/completions"
Serve = Callable[[Incoming, Reply], Awaitable[None]]


class Through:
    """One exchange.

    Args:
        serve: Answers the request.
        modes: How the filter is configured.
        named: The provider that Envoy names.
        max_body_bytes: Of a request.

    Attributes:
        said: What Envoy was told, oldest first.
        committed: How often records were put on disk.
    """

    def __init__(
        self, serve: Serve, modes: tuple[int, int, bool] = DUPLEX, named: str = "", max_body_bytes: int = 1 << 20
    ) -> None:
        self.max_body_bytes = max_body_bytes
        self.modes = modes
        self.committed = self.woken = 0
        self.drive: Drive | None = None
        self._serve = serve
        self._said: list[Any] = []
        self.passing = Passing(self, "10.0.0.1:9", named)
        self.passing.news = self._wake

    # --- the listener

    def now_ns(self) -> int:
        return 1

    def commit(self) -> None:
        self.committed += 1

    def serve(self, incoming: Incoming, reply: Reply) -> Drive:
        async def work() -> None:
            await self._serve(incoming, reply)

        self.drive = Drive(work(), asyncio.get_running_loop(), lambda _: None)
        self.drive.start()
        return self.drive

    def _wake(self) -> None:
        self.woken += 1

    # --- Envoy

    def tell(self, *messages: bytes) -> None:
        """Send messages."""
        for message in messages:
            self.passing.take(read_part(message))

    @property
    def said(self) -> list[Any]:
        while (message := self.passing.give()) is not None:
            self._said.append(envoy.told(message))
        return self._said

    @property
    def kinds(self) -> list[str]:
        """Of what Envoy was told."""
        return [each.WhichOneof("kind") for each in self.said]

    def ask(self, document: Any, *, path: str = CHAT, last: bool = True, **headers: str) -> None:
        """Send a request with a body, in two messages."""
        lines = {":method": "POST", ":path": path, ":authority": "llm.mesh", "content-type": "application/json"}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.tell(envoy.head("request_headers", lines, modes=self.modes))
        self.tell(envoy.body("request_body", orjson.dumps(document), last=last))

    def answer(self, body: bytes, *, status: str = "200", kind: str = "application/json", last: bool = True) -> None:
        """Send an answer, in two messages."""
        lines = {":status": status, "content-type": kind, "x-request-id": "r"}
        self.tell(envoy.head("response_headers", lines))
        self.tell(envoy.body("response_body", body, last=last))

    async def over(self) -> None:
        """Wait until the pipeline has ended."""
        assert self.drive is not None
        await self.drive.wait()

    def sent(self, side: str) -> bytes:
        """The body that goes on: ``request_body`` or ``response_body``."""
        body = b""
        for each in self.said:
            if each.WhichOneof("kind") == side:
                mutation = getattr(each, side).response.body_mutation
                body += mutation.streamed_response.body + mutation.body
        return body


def through(rooms: Rooms, settings: Settings, modes: tuple[int, int, bool] = DUPLEX, named: str = "") -> Through:
    """An exchange with real rooms behind it."""
    passages = Passages(lambda: (settings, rooms.pipeline), rooms.clock)
    return Through(passages.handle, modes, named)
