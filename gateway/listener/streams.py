"""HTTP/2 from clients whose TLS ends here: each stream is a request like any other, and takes the same way.

h2 reads and writes the frames (RFC 9113). What is bounded: streams at a time, those included that are being cancelled
(a client may reset them as fast as it opens them); how often a client takes back what it has asked, and sends what
says nothing; bodies that are not whole, of all streams together; answers that are not taken; heads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from gateway.listener import framing
from gateway.listener.calm import Calm
from gateway.listener.hot import WRITE_HIGH_BYTES
from gateway.listener.stream_calls import Owner as CallsOwner
from gateway.listener.stream_calls import StreamCalls
from gateway.listener.stream_frames import EVERY, Frames
from gateway.listener.stream_head import Field, check_trailers

# After so many the client is asked to connect anew: what is remembered of closed streams stays small.
MAX_REQUESTS = 10_000
# Frames are read in portions, so that a flood of small ones does not hold up others.
PORTION = 16_384
# More than answers may have on their way, so these are replies to frames of a client that reads nothing.
MAX_UNREAD = 4 * WRITE_HIGH_BYTES
# Streams taken back: so many at once, so many a second. Frames that say nothing: likewise.
TAKEN_BACK = (200.0, 20.0)
NOISE = (2000.0, 200.0)
# So much of a head counts as one of them: a few bytes can stand for many, and take long to unpack. Answers make good.
HEAD_BYTES = 2048
_NOISES = (events.PingReceived, events.PriorityUpdated, events.RemoteSettingsChanged, events.UnknownFrameReceived)


class Owner(CallsOwner, Protocol):
    """The server, as far as a connection needs it."""

    draining: bool

    def joined(self, connection: StreamConnection) -> None:
        """A connection was made."""
        ...

    def parted(self, connection: StreamConnection) -> None:
        """A connection is gone."""
        ...

    def expect(self, connection: Any) -> None:
        """The first request must come in time."""
        ...

    def unexpect(self, connection: Any) -> None:
        """No deadline for now."""
        ...

    def idle(self, connection: Any) -> None:
        """Nothing is asked, or nothing taken."""
        ...


class StreamConnection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, server: Owner) -> None:
        self._server = server
        self._frames = Frames()
        now_s = asyncio.get_running_loop().time
        self._taken_back, self._noise = Calm(*TAKEN_BACK, now_s), Calm(*NOISE, now_s)
        # Which streams were taken back by what is being read.
        self._closed: set[int] = set()
        # The client takes more than it did.
        self._opened = False
        self._last = self._requests = 0
        # The client was told to ask no more here; it may not, beyond this stream; it ends when all is answered.
        self._told, self._until, self._leaving = False, EVERY, False
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.RequestReceived: self._on_request,
            events.DataReceived: self._on_data,
            events.TrailersReceived: self._on_trailers,
            events.StreamEnded: self._on_end,
            events.WindowUpdated: self._on_window,
            events.RemoteSettingsChanged: self._on_settings,
            events.ConnectionTerminated: self._on_goaway,
        }

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what may be sent."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self._calls = StreamCalls(self._server, self._frames, self.transport, self)
        self._server.joined(self)
        self._server.expect(self)
        self._frames.begin()
        self._calls.writer.flush()
        if self._server.draining:
            self.leave(refuses=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: whatever was being done for it stops."""
        self._calls.drop_all()
        self._server.unexpect(self)
        self._server.parted(self)

    def data_received(self, data: bytes) -> None:
        """Read frames."""
        view = memoryview(data)
        for at in range(0, len(data), PORTION):
            if self._calls.over:
                return
            self._read(view[at : at + PORTION])
        self._calls.writer.flush()

    def pause_writing(self) -> None:
        """The client reads too slowly: nothing more is put on the way."""
        self._calls.writer.paused = True
        self._server.idle(self)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._calls.writer.paused = False
        self._server.unexpect(self)
        if not self._calls.over:
            self._calls.writer.push_all()
            self._part()

    def expire(self) -> None:
        """Nothing came for too long, or nothing was taken."""
        if self._calls.over:
            self.transport.abort()
        self._end(ErrorCodes.NO_ERROR)

    # --- frames

    def _read(self, data: memoryview) -> None:
        try:
            came = self._frames.receive_data(data)
        except ProtocolError:
            # h2 has an answer for the client.
            self._shut()
            return
        # First what is over: nothing can be said there any more, whatever was asked before in the same breath.
        for event in came:
            if isinstance(event, events.StreamReset):
                self._closed.add(event.stream_id)
                self._on_reset(event.stream_id)
        noise = 0
        for event in came:
            if self._calls.over:
                return
            noise += isinstance(event, _NOISES)
            if (handle := self._handlers.get(event.__class__)) is not None:
                handle(event)
        self._closed.clear()
        if self._opened and not self._calls.over:
            # Once for all that came: what one stream may take of it, all may.
            self._opened = False
            self._calls.writer.push_all()
        if (noise and self._noise.upset(noise)) or self.transport.get_write_buffer_size() > MAX_UNREAD:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)

    def _on_request(self, event: events.RequestReceived) -> None:
        number, calls, fields = event.stream_id, self._calls, cast("list[Field]", event.headers)
        if self._noise.upset(sum(len(name) + len(value) for name, value in fields) / HEAD_BYTES):
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)
            return
        if number in self._closed:
            return
        if number > self._until or calls.full():
            # Safe to be asked again, here or elsewhere: nobody has looked at it.
            self._frames.reset(number, ErrorCodes.REFUSED_STREAM)
            self._upset()
            return
        self._last = number
        self._requests += 1
        stream = calls.add(number, fields, whole=event.stream_ended is not None)
        if not calls.writer.paused:
            self._server.unexpect(self)
        if self._requests >= MAX_REQUESTS:
            self.leave(refuses=True)
        if stream.head.fault is not None:
            calls.serve(stream, stream.head.fault)

    def _on_data(self, event: events.DataReceived) -> None:
        size, calls = event.flow_controlled_length or 0, self._calls
        if size:
            self._frames.increment_flow_control_window(size)
        elif event.stream_ended is None and self._noise.upset():
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)
            return
        stream = calls.there.get(event.stream_id)
        if stream is None or stream.asked:
            return
        stream.hear(event.data)
        if stream.size > self._server.max_body_bytes:
            calls.serve(stream, framing.too_large(self._server.max_body_bytes))
        elif event.stream_ended is None:
            calls.uploads.heard(stream, size)

    def _on_trailers(self, event: events.TrailersReceived) -> None:
        stream = self._calls.there.get(event.stream_id)
        fault = check_trailers(cast("list[Field]", event.headers))
        if stream is not None and not stream.asked and fault is not None:
            self._calls.serve(stream, fault)

    def _on_end(self, event: events.StreamEnded) -> None:
        stream = self._calls.there.get(event.stream_id)
        if stream is not None:
            stream.heard = True
            if not stream.asked:
                self._calls.serve(stream, None)

    def _on_reset(self, number: int) -> None:
        stream = self._calls.there.get(number)
        if stream is not None:
            self._calls.drop(stream)
        self._upset()

    def _upset(self) -> None:
        if self._taken_back.upset():
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)

    def _on_window(self, event: events.WindowUpdated) -> None:
        if self._noise.upset():
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)
        self._opened = True

    def _on_settings(self, event: events.RemoteSettingsChanged) -> None:
        self._frames.bound_table()
        self._opened = True

    def _on_goaway(self, event: events.ConnectionTerminated) -> None:
        self._leaving = True
        self._part()

    # --- what becomes of streams

    def sent(self) -> None:
        """A frame of an answer was sent; its client may say as often that it has taken it."""
        self._noise.soothe(2)

    def answered(self) -> None:
        """An answer is out."""
        self._taken_back.soothe()
        self._part()

    def dropped(self) -> None:
        """A stream has ended without one."""
        self._part()

    # --- the end

    def leave(self, *, refuses: bool) -> None:
        """Tell the client to ask no more here; what it has asked is answered.

        Args:
            refuses: What it asks from now on is refused, so that it asks elsewhere.
        """
        if self._calls.over or self._leaving or (self._told and not refuses):
            return
        self._told = True
        if refuses:
            self._leaving, self._until = True, self._last
        self.transport.write(self._frames.parting(self._until))
        self._part()

    def _part(self) -> None:
        """End the connection of a client that asks no more, when all is answered."""
        if self._calls.over or self._calls.there:
            return
        if self._leaving:
            self._shut()
        else:
            self._server.idle(self)

    def _end(self, why: ErrorCodes) -> None:
        """End it at once, and say why."""
        if not self._calls.over:
            self._frames.close_connection(why)
            self._shut()

    def _shut(self) -> None:
        self._calls.writer.flush()
        self._calls.drop_all()
        if self._calls.writer.paused:
            # What is on its way will not be taken.
            self.transport.abort()
        else:
            self.transport.close()
            self._server.idle(self)
