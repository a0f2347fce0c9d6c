"""Streams that are on their way for one call, and that others who ask the same are given while they run.

Who leads knows nothing of those who follow: their streams are fed from what is kept of the leader's, each at the pace
of its own client and under its own rules. A leader whose stream breaks off ends those that have begun with it; who has
shown nothing yet can still ask for itself.
"""

from __future__ import annotations

from typing import SupportsIndex

from gateway.cache.renewal import Renewing
from gateway.core.errors import StreamBroken
from gateway.core.exchange import Headers
from gateway.core.ports import AnswerSink
from gateway.core.signal import Signal

_BROKEN = "The stream that this answer was taken from ended before it was whole."


class Pieces(list[bytes]):
    """What has come of a stream, for whoever wants to know when there is more."""

    def __init__(self, flight: Flight) -> None:
        super().__init__()
        self._flight = flight

    def append(self, piece: bytes, /) -> None:
        """Take the next piece."""
        super().append(piece)
        for each in tuple(self._flight.followers):
            each.go_on()

    def insert(self, index: SupportsIndex, piece: bytes, /) -> None:
        """Nothing comes in between."""
        raise TypeError("a stream has one end")


class Flight:
    """One stream.

    Args:
        dialect: In which it is written.
        media_type: Of its events.

    Attributes:
        origin: The exchange that it is an answer to.
        cost_nanousd: What it cost; ``None`` until it is over, and where nobody knows.
        took_ms: How long it took, once it is over.
        pieces: What has come; ``None`` before it has begun.
        over: Nothing more will come.
        whole: All of it came.
    """

    def __init__(self, dialect: str, media_type: bytes) -> None:
        self.dialect = dialect
        self.media_type = media_type
        self.origin = ""
        self.cost_nanousd: int | None = None
        self.took_ms = 0.0
        self.pieces: Pieces | None = None
        self.over = self.whole = False
        self.followers: list[Follower] = []
        self._ends: list[Signal] = []

    def opened(self) -> list[bytes]:
        """Give where a stream's bytes are kept. A second one, of another try, is nobody's to follow."""
        if self.pieces is not None or self.over:
            self.end(whole=False)
            return []
        self.pieces = Pieces(self)
        return self.pieces

    def end(self, *, whole: bool) -> None:
        """Say that nothing more will come."""
        if self.over:
            return
        self.over, self.whole = True, whole
        for each in tuple(self.followers):
            each.go_on()
        ends, self._ends = self._ends, []
        for end in ends:
            end.fire()

    async def ended(self) -> None:
        """Wait until who leads is done with it: who follows sees a stream's own end before that."""
        if not self.over:
            self._ends.append(end := Signal())
            await end


class Follower:
    """Feeds one follower; a :class:`gateway.upstream.attempt.Running`.

    Args:
        flight: What it follows.
        sink: Takes the stream as if a provider had sent it.
        renewing: Gives the stream an id of its own.
    """

    def __init__(self, flight: Flight, sink: AnswerSink, renewing: Renewing) -> None:
        self._flight = flight
        self._sink = sink
        self._renewing = renewing
        self._at = 0
        self._begun = self._paused = self._ended = self._busy = False
        flight.followers.append(self)

    def go_on(self) -> None:
        """Pass on what there is."""
        if self._busy:
            return
        self._busy = True
        try:
            self._feed()
        finally:
            self._busy = False

    def cancel(self) -> None:
        """Follow no longer."""
        self._ended = True
        if self in self._flight.followers:
            self._flight.followers.remove(self)

    def late(self) -> None:
        """Wait no longer for a stream that has not begun."""
        if not self._begun:
            self._fail()

    def pause(self) -> None:
        """Pass nothing on for now."""
        self._paused = True

    def resume(self) -> None:
        """Pass on again."""
        self._paused = False
        self.go_on()

    def _feed(self) -> None:
        flight = self._flight
        pieces = flight.pieces
        if pieces is not None and not self._begun and not self._ended:
            self._begun = True
            headers: Headers = {b"content-type": flight.media_type}
            self._sink.on_head(200, headers)
        while pieces is not None and self._at < len(pieces) and not self._paused and not self._ended:
            piece, self._at = pieces[self._at], self._at + 1
            if told := self._renewing.feed(piece):
                self._sink.on_data(told)
        if flight.over and not self._ended and (not flight.whole or (pieces is not None and self._at == len(pieces))):
            if not flight.whole:
                self._fail()
                return
            if rest := self._renewing.rest():
                self._sink.on_data(rest)
            self.cancel()
            self._sink.on_end()

    def _fail(self) -> None:
        if not self._ended:
            self.cancel()
            self._sink.on_fail(StreamBroken(_BROKEN))


class Flights:
    """The streams of a worker that can be followed, by what they answer."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, Flight] = {}

    def find(self, key: bytes) -> Flight | None:
        """Give a stream that is under way."""
        flight = self._under_way.get(key)
        return None if flight is None or flight.over else flight

    def begin(self, key: bytes, flight: Flight) -> None:
        """Let others follow a stream."""
        self._under_way[key] = flight

    def end(self, key: bytes, flight: Flight, *, whole: bool) -> None:
        """It is over."""
        if self._under_way.get(key) is flight:
            del self._under_way[key]
        flight.end(whole=whole)
