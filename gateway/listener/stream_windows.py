"""What goes through an HTTP/2 connection at a time: frames of answers in turn, and leave for clients to send bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from h2.connection import H2Connection

from gateway.listener.stream_head import Field
from gateway.listener.stream_reply import Stream

# What clients may send of bodies that are not whole, of all of them together; the oldest may go on whatever there is.
MAX_UNFINISHED = 4_194_304


class Deadlines(Protocol):
    """Who watches that things happen in time."""

    def unexpect(self, connection: Stream) -> None:
        """No deadline for now."""
        ...

    def idle(self, connection: Stream) -> None:
        """Something is waited for that may take a while."""
        ...


class StreamWriter:
    """Sends answers, as far as their client takes them.

    Args:
        h2: Writes frames.
        transport: Takes them.
        streams: All that are there, by their id.
        deadlines: Watches those whose client takes nothing.
        sent: Told of each frame that was sent, and of each answer's head.

    Attributes:
        paused: The client reads too slowly: nothing more is put on the way.
    """

    def __init__(
        self,
        h2: H2Connection,
        transport: asyncio.Transport,
        streams: dict[int, Stream],
        deadlines: Deadlines,
        sent: Callable[[Stream], None],
    ) -> None:
        self._h2 = h2
        self._transport = transport
        self._streams = streams
        self._deadlines = deadlines
        self._sent = sent
        self.paused = False

    def begin(self, stream: Stream, fields: list[Field], *, end: bool) -> None:
        """Send an answer's head; of one without a body that is all."""
        self._h2.send_headers(stream.number, fields, end_stream=end)
        stream.over = end
        if end:
            self._sent(stream)
        else:
            self.push(stream)
        self.flush()

    def push(self, stream: Stream) -> None:
        """Send what a stream has to say."""
        while not self.paused and self._put(stream):
            self.flush()
        self.flush()

    def push_all(self) -> None:
        """Send a frame of each in turn, so that none waits for the longest."""
        moved = True
        while moved and not self.paused:
            moved = False
            for stream in list(self._streams.values()):
                moved |= self._put(stream)
            self.flush()

    def flush(self) -> None:
        """Give frames to the transport."""
        data = self._h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _put(self, stream: Stream) -> bool:
        """Send one frame of an answer; tells whether there may be another."""
        waiting, number = stream.waiting, stream.number
        if stream.gone or not (waiting or stream.said):
            return False
        size = min(len(waiting), self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
        if waiting and size <= 0:
            if not stream.stuck:
                stream.stuck = True
                self._deadlines.idle(stream)
            return False
        data = bytes(waiting[:size])
        del waiting[:size]
        if stream.stuck:
            stream.stuck = False
            self._deadlines.unexpect(stream)
        stream.over = stream.said and not waiting
        self._h2.send_data(number, data, end_stream=stream.over)
        stream.eased()
        self._sent(stream)
        return not stream.gone


class Uploads:
    """Gives clients leave to send on with bodies.

    Args:
        h2: Writes frames.
        streams: All that are there, by their id, the oldest first.
    """

    def __init__(self, h2: H2Connection, streams: dict[int, Stream]) -> None:
        self._h2 = h2
        self._streams = streams

    def heard(self, stream: Stream, size: int) -> None:
        """Let a client send as much more of a body as it has sent, or keep that for later."""
        stream.owed += size
        coming = [each for each in self._streams.values() if not each.asked]
        if coming[0] is stream or sum(each.size for each in coming) < MAX_UNFINISHED:
            owed, stream.owed = stream.owed, 0
            if owed:
                self._h2.increment_flow_control_window(owed, stream.number)

    def freed(self) -> None:
        """There is one body less to wait for."""
        for stream in [each for each in self._streams.values() if each.owed and not each.asked]:
            self.heard(stream, 0)
