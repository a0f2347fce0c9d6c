"""One request of an HTTP/2 connection while it lasts: its body as it comes, its answer as it may go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.core.errors import GatewayError
from gateway.core.exchange import Incoming
from gateway.listener.drive import Drive
from gateway.listener.reply import BODILESS
from gateway.listener.stream_head import Field, StreamHead, answer_fields

# So much of an answer waits for a client that reads slowly; whoever makes it waits as well, above.
HIGH_BYTES = 262_144
LOW_BYTES = 65_536


class Carrier(Protocol):
    """The connection, as far as one of its streams needs it."""

    def commit(self) -> None:
        """Put the records of finished calls on disk."""
        ...

    def begin(self, stream: Stream, fields: list[Field], *, end: bool) -> None:
        """Send an answer's head."""
        ...

    def push(self, stream: Stream) -> None:
        """Send what a stream has to say, as far as its client takes it."""
        ...

    def cut(self, stream: Stream) -> None:
        """End a stream so that nobody takes what was sent for the whole."""
        ...

    def late(self, stream: Stream) -> None:
        """A stream's time is over."""
        ...


class Stream:
    """A request, and the :class:`~gateway.core.ports.Reply` to it.

    Args:
        carrier: Its connection.
        number: Its id there.
        head: Of the request.
        received_ns: When the head came.

    Attributes:
        size: Bytes of the body so far.
        owed: Those of them for which the client has not been given leave to send as many more.
        asked: The request is with the pipeline.
        heard: All of the request has come.
        waiting: Bytes of the answer that its client does not take yet.
        said: Nothing more of the answer will come.
        over: All of the answer has been sent.
        stuck: Its client takes nothing now.
        drive: What works on it.
    """

    __slots__ = (
        "_body",
        "_carrier",
        "_pause",
        "_paused",
        "_resume",
        "asked",
        "drive",
        "gone",
        "head",
        "heard",
        "number",
        "over", "owed",
        "received_ns",
        "said",
        "size",
        "started",
        "stuck",
        "waiting",
    )  # fmt: skip

    def __init__(self, carrier: Carrier, number: int, head: StreamHead, received_ns: int) -> None:
        self._carrier = carrier
        self._body: list[bytes] = []
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self._paused = False
        self.number = number
        self.head = head
        self.received_ns = received_ns
        self.size = self.owed = 0
        self.asked = self.heard = self.said = self.over = self.stuck = self.gone = self.started = False
        self.waiting = bytearray()
        self.drive: Drive | None = None

    # --- the request

    def hear(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._body.append(data)
        self.size += len(data)

    def incoming(self, peer: str, fault: GatewayError | None) -> Incoming:
        """Give the request; its body is not kept here any longer."""
        head, body = self.head, b"" if fault is not None else b"".join(self._body)
        self._body.clear()
        self.asked = True
        return Incoming(head.method, head.path, head.query, head.headers, body, peer, self.received_ns, fault)

    def expire(self) -> None:
        """Its time is over: of a request to come, or of a client to take its answer."""
        self._carrier.late(self)

    def leave(self) -> None:
        """The client does not want it any more."""
        # Who has said all is about to end by himself, or is the one who says this.
        works = not self.said
        self.gone = self.said = True
        self._body.clear()
        self.waiting.clear()
        if works and self.drive is not None:
            self.drive.cancel()

    # --- Reply

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer."""
        self._carrier.commit()
        shown = b"" if self.head.method == "HEAD" or status in BODILESS else body
        self.said = True
        if not self.gone:
            self.waiting += shown
            self._carrier.begin(self, answer_fields(status, headers, len(body)), end=not shown)

    def start(self, status: int, headers: bytes) -> None:
        """Send the head of a stream."""
        self.started = True
        if not self.gone:
            self._carrier.begin(self, answer_fields(status, headers), end=False)

    def write(self, data: bytes) -> None:
        """Send a piece of a stream."""
        if data and not self.gone:
            self.waiting += data
            self._carrier.push(self)
            if len(self.waiting) > HIGH_BYTES and not self._paused and self._pause is not None:
                self._paused = True
                self._pause()

    def finish(self, tail: bytes) -> None:
        """Send the last piece and end the stream."""
        self._carrier.commit()
        self.said = True
        if not self.gone:
            self.waiting += tail
            self._carrier.push(self)

    def abort(self) -> None:
        """End it unfinished."""
        self.said = True
        if not self.gone:
            self._carrier.cut(self)

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Who to tell when the client reads too slowly."""
        self._pause, self._resume = pause, resume

    def eased(self) -> None:
        """The client has taken some of it."""
        if self._paused and len(self.waiting) < LOW_BYTES and self._resume is not None:
            self._paused = False
            self._resume()
