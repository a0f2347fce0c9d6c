"""Calls to providers whose credential is a token that must be fetched first: they wait for it, then go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.core.errors import GatewayError
from gateway.core.ports import AnswerSink
from gateway.upstream.attempt import Running


class Waiting(Protocol):
    """A wait that can be given up."""

    def cancel(self) -> None:
        """Wait no longer."""
        ...


class Tokens(Protocol):
    """Where the tokens of one provider come from, or the keys that its requests are signed with."""

    def header(self, wire: bytes) -> bytes | None:
        """The header lines that authenticate a request; ``None`` while there is nothing that holds.

        Args:
            wire: The request, without them.
        """
        ...

    def wait(self, ready: Callable[[bytes], None], failed: Callable[[GatewayError], None]) -> Waiting:
        """Be told of the header line, or why there is none."""
        ...


class AwaitedCall:
    """A call that waits for its token; a :class:`gateway.upstream.attempt.Running`.

    Args:
        tokens: Give it.
        sink: Is told when there is none.
        send: Sends the call, once there is one.
    """

    __slots__ = ("_paused", "_running", "_send", "_waiting")

    def __init__(self, tokens: Tokens, sink: AnswerSink, send: Callable[[bytes], Running]) -> None:
        self._running: Running | None = None
        self._paused = False
        self._send = send
        self._waiting: Waiting | None = tokens.wait(self._go, sink.on_fail)

    def cancel(self) -> None:
        """Stop; nothing more reaches the sink."""
        if self._running is not None:
            self._running.cancel()
        elif self._waiting is not None:
            self._waiting.cancel()

    def pause(self) -> None:
        """Send no more for now."""
        self._paused = True
        if self._running is not None:
            self._running.pause()

    def resume(self) -> None:
        """Send on."""
        self._paused = False
        if self._running is not None:
            self._running.resume()

    def _go(self, header: bytes) -> None:
        self._waiting = None
        self._running = self._send(header)
        if self._paused:
            self._running.pause()
