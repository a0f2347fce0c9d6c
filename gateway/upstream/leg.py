"""A try that goes on with a stream which another one began: the client's stream and its reader stay the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.core.call import Call
from gateway.core.exchange import Headers
from gateway.core.ports import Dialect
from gateway.core.resumable import Resumable
from gateway.upstream.attempt import Attempt, Running
from gateway.upstream.crossing import CrossingSink
from gateway.wire.bridge import Crossing

_CLIENT = "client"


class Leg(Attempt):
    """Takes the rest of an answer, in the client's dialect.

    Args:
        call: The exchange, whose client has seen the beginning.
        earlier: The try that was cut.
        clean: The whole events so far.
        now_ns: Monotonic clock.
    """

    __slots__ = ()

    def __init__(self, call: Call, earlier: Attempt, clean: bytes, now_ns: Callable[[], int]) -> None:
        super().__init__(call, _no_head, now_ns, gather="watch")
        self.received = [clean]
        self._size = len(clean)
        self.reader = earlier.reader
        self.out_bytes = earlier.out_bytes
        if isinstance(self.reader, Resumable):
            self.reader.resume(clean)
        if self._clauses is not None:
            self._clauses.open(self)
        self._slow = {_CLIENT} & earlier.slow
        call.reply.on_flow(partial(self._wait_for, _CLIENT), partial(self._go_on, _CLIENT))

    def under_way(self) -> None:
        """The request is sent; a client that is behind is waited for first."""
        if self._slow and self.running is not None:
            self.running.pause()

    def on_head(self, status: int, headers: Headers) -> None:
        """Take the head, of which the client sees nothing."""
        self.status = status
        self.headers = headers
        self.answered_ns = self._now_ns()

    def on_data(self, data: bytes) -> None:
        """Pass the rest of the stream on; an error answer is nobody's business."""
        if self.status < 400:
            super().on_data(data)

    def show(self, data: bytes) -> None:
        """Send the client more of its stream."""
        call = self._call
        if call is not None:
            self.first_ns = self.first_ns or self._now_ns()
            self.out_bytes += len(data)
            call.reply.write(data)


class LegSink(CrossingSink):
    """Takes a native answer for a leg: it is read and written anew, as one from another dialect is.

    Args:
        leg: Takes what comes out.
        crossing: Turns it into the rest of the client's stream.
        dialect: The client's.
    """

    __slots__ = ("_leg",)

    def __init__(self, leg: Leg, crossing: Crossing, dialect: Dialect) -> None:
        super().__init__(leg, crossing, dialect)
        self._leg = leg

    @property
    def running(self) -> Running | None:
        """The answer on its way."""
        return self._leg.running

    @running.setter
    def running(self, value: Running | None) -> None:
        self._leg.running = value


def _no_head(_: Call) -> bytes:
    """The client has its head."""
    return b""
