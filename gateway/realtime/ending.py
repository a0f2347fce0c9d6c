"""How a session ends, and the one try at a provider that it was."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.core.errors import GatewayError
from gateway.core.exchange import Headers
from gateway.core.ports import StreamReader

# Faults of ours are nobody else's to read.
_OURS = 500
CLIENT_GONE = "The client went away."


class Ending(msgspec.Struct, frozen=True):
    """Why a session is over, and what its ends are told.

    Attributes:
        code: The close code for an end that has not been told one by the other.
        error: What went wrong; ``None`` when nothing did.
        told: An event for the client, framed, before the close.
    """

    code: int
    error: GatewayError | None = None
    told: bytes | None = None

    @property
    def reason(self) -> str:
        """The sentence that goes with the code."""
        return "" if self.error is None or self.error.status == _OURS else self.error.public_message


class Leg:
    """The try at the provider; a :class:`gateway.core.ports.AttemptView`.

    Args:
        now_ns: Monotonic clock.
    """

    __slots__ = ("_now_ns", "answered_ns", "block", "ended_ns", "first_ns", "headers", "out_bytes", "reader",
                 "received", "sent_ns", "status")  # fmt: skip

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self.status = 0
        self.headers: Headers = {}
        self.block: bytes | None = None
        self.reader: StreamReader | None = None
        # Nothing is kept of a session.
        self.received: list[bytes] = []
        self.sent_ns = now_ns()
        self.answered_ns = self.first_ns = self.ended_ns = self.out_bytes = 0

    @property
    def held(self) -> bool:
        """Whether a stream is kept: none is."""
        return False

    def answered(self, status: int, headers: Headers) -> None:
        """The provider has answered the handshake. When it first speaks says nothing of how fast it is."""
        self.status, self.headers = status, headers

    def shown(self, size: int) -> None:
        """The client was sent so many bytes."""
        self.out_bytes += size

    def end(self) -> None:
        """The session is over."""
        self.ended_ns = self._now_ns()
