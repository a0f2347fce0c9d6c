"""The two ends of an exchange, written by hand: who takes a provider's answer, and who is the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from gateway.core.errors import GatewayError
from gateway.core.exchange import Headers
from gateway.wire.headers import answer_headers


class KeepingSink:
    """An ``AnswerSink`` that keeps what it is told, and fails a test when the order is wrong."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = {}
        self.parts: list[bytes] = []
        self.ended = 0
        self.error: GatewayError | None = None
        self.done = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)

    @property
    def chunks(self) -> list[Any]:
        """What the events of a stream hold, without its end marker."""
        assert self.body.endswith(b"data: [DONE]\n\n")
        events = self.body.removesuffix(b"data: [DONE]\n\n").split(b"\n\n")
        return [orjson.loads(event.removeprefix(b"data: ")) for event in events if event]

    def on_head(self, status: int, headers: Headers) -> None:
        assert not self.status
        self.status, self.headers = status, headers

    def on_data(self, data: bytes) -> None:
        assert self.status
        assert not self.done.is_set()
        self.parts.append(data)

    def on_end(self) -> None:
        assert self.status
        assert not self.done.is_set()
        self.ended += 1
        self.done.set()

    def on_whole(self, status: int, headers: Headers, block: bytes, body: bytes) -> None:
        assert block == answer_headers(headers)
        self.on_head(status, headers)
        self.on_data(body)
        self.on_end()

    def on_fail(self, error: GatewayError) -> None:
        assert not self.done.is_set()
        self.error = error
        self.done.set()


class ListReply:
    """A ``Reply`` that writes what it is told into a list.

    Args:
        log: Shared with others whose order matters.
    """

    def __init__(self, log: list[Any] | None = None) -> None:
        self.log: list[Any] = [] if log is None else log
        self.gone = False
        self.started = False
        self.ended = False
        self.status = 0
        self.headers = b""
        self.body = b""
        self.flow: tuple[Callable[[], None], Callable[[], None]] | None = None

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        assert not self.started
        self._end("send")
        self.status, self.headers, self.body = status, headers, body

    def start(self, status: int, headers: bytes) -> None:
        assert not self.started
        assert not self.ended
        self.log.append("start")
        self.started = True
        self.status, self.headers = status, headers

    def write(self, data: bytes) -> None:
        assert self.started
        assert not self.ended
        self.log.append("write")
        self.body += data

    def finish(self, tail: bytes) -> None:
        assert self.started
        self._end("finish")
        self.body += tail

    def abort(self) -> None:
        self._end("abort")

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.flow = (pause, resume)

    def _end(self, how: str) -> None:
        assert not self.ended, "an answer ends once"
        self.ended = True
        self.log.append(how)

    def header(self, name: str) -> str | None:
        """The value of a header line of the answer."""
        for line in self.headers.decode().split("\r\n"):
            found, _, value = line.partition(": ")
            if found == name:
                return value
        return None
