"""The requests of one HTTP/2 connection: from their heads to the last frames of their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from h2.errors import ErrorCodes

from gateway.core.errors import GatewayError, RequestTimeout
from gateway.core.exchange import Incoming
from gateway.core.ports import Reply
from gateway.listener.drive import Drive
from gateway.listener.stream_frames import MAX_STREAMS, Frames
from gateway.listener.stream_head import Field, StreamHead
from gateway.listener.stream_reply import Stream
from gateway.listener.stream_windows import StreamWriter, Uploads


class Owner(Protocol):
    """The server, as far as requests need it."""

    max_body_bytes: int
    now_ns: Callable[[], int]
    commit: Callable[[], None]

    def expect(self, connection: Stream) -> None:
        """A request has begun to arrive."""
        ...

    def unexpect(self, connection: Stream) -> None:
        """No deadline for now."""
        ...

    def idle(self, connection: Stream) -> None:
        """Something is waited for that may take a while."""
        ...

    def serve(self, incoming: Incoming, reply: Reply) -> Drive:
        """Start serving a request."""
        ...


class Watcher(Protocol):
    """The connection, as it hears of its streams."""

    def sent(self) -> None:
        """A frame of an answer was sent."""
        ...

    def answered(self) -> None:
        """An answer is out, all of it."""
        ...

    def dropped(self) -> None:
        """A stream has ended without that."""
        ...


class StreamCalls:
    """The :class:`~gateway.listener.stream_reply.Carrier` of a connection's streams.

    Args:
        server: Serves requests.
        frames: Writes them.
        transport: The connection.
        watcher: Told of what becomes of them.

    Attributes:
        there: Streams by their id, the oldest first.
        over: The connection is at its end: nothing can be said any more.
    """

    def __init__(self, server: Owner, frames: Frames, transport: asyncio.Transport, watcher: Watcher) -> None:
        self._server = server
        self._frames = frames
        self._watcher = watcher
        peer = transport.get_extra_info("peername")
        self._peer = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer or "")
        self.there: dict[int, Stream] = {}
        self.over = False
        self.writer = StreamWriter(frames, transport, self.there, server, self._sent)
        self.uploads = Uploads(frames, self.there)
        # Of streams that were taken back, until their work has heard of it.
        self._dying: set[Drive] = set()

    def full(self) -> bool:
        """Whether there are as many as may be, those included that are being cancelled."""
        self._dying = {drive for drive in self._dying if not drive.ended}
        return len(self.there) + len(self._dying) >= MAX_STREAMS

    def add(self, number: int, fields: list[Field], *, whole: bool) -> Stream:
        """Take a request's head.

        Args:
            number: Of its stream.
            fields: The head's.
            whole: It has no body.
        """
        head = StreamHead(fields, self._server.max_body_bytes)
        stream = self.there[number] = Stream(self, number, head, self._server.now_ns())
        stream.heard = whole
        if not whole and head.fault is None:
            self._server.expect(stream)
            if head.wants_continue:
                self._frames.send_headers(number, [(b":status", b"100")])
        return stream

    def serve(self, stream: Stream, fault: GatewayError | None) -> None:
        """Let a request be answered that is whole, or wrong."""
        self._server.unexpect(stream)
        drive = self._server.serve(stream.incoming(self._peer, fault), stream)
        # The answer may be out already.
        if not drive.ended:
            stream.drive = drive
            if stream.gone:
                self._bury(stream)
        self._freed()

    def drop(self, stream: Stream) -> None:
        """A stream is no more: its client has taken it back, or is gone."""
        self._forget(stream)
        stream.leave()
        self._bury(stream)
        self._freed()
        self._watcher.dropped()

    def drop_all(self) -> None:
        """The connection is at its end."""
        self.over = True
        for stream in list(self.there.values()):
            self.drop(stream)

    def settle(self, stream: Stream) -> None:
        """Forget a stream whose answer is out; what is left of its request is not waited for."""
        if stream.over and not stream.gone:
            self._forget(stream)
            stream.gone = True
            if not stream.heard:
                self._frames.reset(stream.number, ErrorCodes.NO_ERROR)
            self._watcher.answered()

    def _sent(self, stream: Stream) -> None:
        self._watcher.sent()
        self.settle(stream)

    def _freed(self) -> None:
        if not self.over:
            self.uploads.freed()

    def _bury(self, stream: Stream) -> None:
        if stream.drive is not None and not stream.drive.ended:
            self._dying.add(stream.drive)

    def _forget(self, stream: Stream) -> None:
        self.there.pop(stream.number, None)
        self._server.unexpect(stream)

    # --- Carrier

    def commit(self) -> None:
        """Put the records of finished calls on disk."""
        self._server.commit()

    def begin(self, stream: Stream, fields: list[Field], *, end: bool) -> None:
        """Send an answer's head."""
        self.writer.begin(stream, fields, end=end)

    def push(self, stream: Stream) -> None:
        """Send what a stream has to say, as far as its client takes it."""
        self.writer.push(stream)

    def cut(self, stream: Stream) -> None:
        """End a stream so that nobody takes what was sent for the whole."""
        self._frames.reset(stream.number, ErrorCodes.INTERNAL_ERROR)
        self.writer.flush()
        self.drop(stream)

    def late(self, stream: Stream) -> None:
        """A request did not arrive in time, or its client does not take the answer."""
        if stream.asked:
            self.cut(stream)
        else:
            self.serve(stream, RequestTimeout("The request did not arrive in time."))
            self.writer.flush()
