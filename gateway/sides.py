"""One of two deployments that are at work on a call: its own call, its seat for the client, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from gateway.core.call import Call
from gateway.core.errors import Bug, GatewayError, ProviderError, UnsupportedField
from gateway.core.exchange import Cause, Request
from gateway.core.limit_state import Lease
from gateway.core.ports import Reply
from gateway.core.usage import Usage
from gateway.course import Course
from gateway.moves import Rooms, checked
from gateway.routing.causes import cause_of, cause_of_status
from gateway.trip import Trip
from gateway.upstream.attempt import Attempt

# From this status on an answer is an error.
BAD = 400
_CHARS_A_TOKEN = 4


class Tried(msgspec.Struct, frozen=True):
    """What came of a try, or of two: who had the call at the end, and its answer or why there is none."""

    course: Course
    document: Any
    trip: Trip
    attempt: Attempt | None
    error: GatewayError | None


class Seat:
    """The client, as one of two deployments sees it. Only the beginning passes: from then on the reply is its call's.

    Args:
        begin: Gives the client to whoever begins first; ``None`` to the other.
    """

    __slots__ = ("_begin", "_flow", "gone", "started")

    def __init__(self, begin: Callable[[], Reply | None]) -> None:
        self._begin = begin
        self._flow: tuple[Callable[[], None], Callable[[], None]] | None = None
        self.gone = self.started = False

    def start(self, status: int, headers: bytes) -> None:
        """Have the client, if nobody has it yet."""
        reply = self._begin()
        if reply is not None:
            if self._flow is not None:
                reply.on_flow(*self._flow)
            reply.start(status, headers)

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Remember who is to wait for a client that is not there yet."""
        self._flow = pause, resume

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Whole answers leave when it is known whose they are."""

    def write(self, data: bytes) -> None:
        """Nothing passes before the beginning."""

    def finish(self, tail: bytes) -> None:
        """Nothing passes before the beginning."""

    def abort(self) -> None:
        """Nothing passes before the beginning."""


class Side:
    """One of the two.

    Args:
        call: The exchange; this one gets a copy of its own, without what is held or under way for it.
        request: Its own, where it changes on the way.
        course: Where it goes.
        document: What to send.
        trip: Its way there.

    Attributes:
        failed: It has failed while the other was at work.
        held: What the call holds, which counts what comes of either: only one of them gets beyond its beginning.
        fault: Why there is no answer, or none that is one, when it is over.
    """

    __slots__ = ("attempt", "call", "course", "document", "failed", "fault", "held", "request", "trip")

    def __init__(self, call: Call, request: Request, course: Course, document: Any, trip: Trip) -> None:
        self.call = replace(call, request=request, trip=trip, lease=None, attempt=None)
        self.request = request
        self.course = course
        self.document = document
        self.trip = trip
        self.attempt: Attempt | None = None
        self.failed = False
        self.held: Lease | None = None
        self.fault: BaseException | None = None

    @property
    def running(self) -> bool:
        """Whether its deployment is at work on the call."""
        return self.attempt is not None and not self.attempt.ended_ns

    def send(self, rooms: Rooms) -> Attempt:
        """Ask its deployment.

        Raises:
            GatewayError: It cannot be asked.
        """
        self.trip.begin()
        if self.trip.number > 1:
            rooms.courses.join(self.call, self.trip.number)
        own = self.call.lease
        # One of its own, where limits depend on who serves a call, counts by itself.
        self.call.lease = own or self.held
        try:
            attempt = self.attempt = rooms.send(self.call, self.request, self.course, self.document)
        finally:
            self.call.lease = own
        attempt.head = self.trip.learning(attempt.sent_ns, attempt.head)
        return attempt

    def when_over(self, then: Callable[[], None]) -> None:
        """Call somebody when the answer is whole, or the attempt has failed."""
        if self.attempt is not None and not self.attempt.over.fired:
            self.attempt.over.waiter = then
        else:
            then()

    def look(self) -> bool:
        """Look at what came of it, now that it is over; whether that is a good answer."""
        attempt = self.attempt
        if attempt is None:
            return False
        self.fault = attempt.over.error
        if self.fault is None:
            try:
                checked(self.call, attempt)
            except ProviderError as fault:
                self.fault = fault
        return self.fault is None and attempt.status < BAD

    def begun(self) -> bool:
        """Whether there is something of an answer: the head of a whole one, the first event of a stream."""
        attempt = self.attempt
        if attempt is None or not attempt.answered_ns:
            return False
        return attempt.reader is None or bool(attempt.reader.facts.chunks)

    def cause(self) -> Cause | None:
        """Why another deployment may do better; ``None`` where it would not."""
        attempt = self.attempt
        if attempt is None:
            return None
        fault = self.fault
        return cause_of(fault) if isinstance(fault, GatewayError) else cause_of_status(attempt.status)

    def told(self) -> Usage | None:
        """What the provider has said so far of what it used."""
        if self.call.crossing is not None:
            return self.call.crossing.usage
        reader = None if self.attempt is None else self.attempt.reader
        return None if reader is None else reader.facts.usage

    def held_tokens(self) -> int:
        """How many tokens the text of a stream is likely to have that rules have held back so far."""
        attempt = self.attempt
        if attempt is None or attempt.reader is None or not attempt.received:
            return 0
        return len(self.call.dialect.answer_text(None, attempt.received)) // _CHARS_A_TOKEN

    async def tried(self, request: Request) -> Tried:
        """What came of it in the end, which is known by now.

        Args:
            request: The exchange's own.

        Raises:
            GatewayError: A rule, or a fault of ours, has ended the call.
        """
        if self.request is not request:
            # What an answer is to be given besides depends on whose it is.
            request.seal, request.upstream_path = self.request.seal, self.request.upstream_path
        attempt = self.attempt
        if attempt is None:
            raise Bug("A call came back from a deployment that it was not sent to.")
        try:
            await attempt
        except (ProviderError, UnsupportedField) as error:
            return Tried(self.course, self.document, self.trip, attempt, error)
        except GatewayError:
            self.trip.leave()
            raise
        fault = self.fault if isinstance(self.fault, ProviderError) else None
        return Tried(self.course, self.document, self.trip, attempt, fault)
