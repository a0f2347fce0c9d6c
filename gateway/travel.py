"""Sends a call to one deployment after the other, until one answers it or no other may.

Once a byte has reached the client there is no other try: what it has seen of one answer must not go on with another,
unless its alias says so (:mod:`gateway.continuing`).
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from gateway import continuing
from gateway.core.call import Call
from gateway.core.errors import Bug, GatewayError, ProviderError, TotalTimeout, UnsupportedField
from gateway.core.exchange import Request
from gateway.core.verdict import Screened
from gateway.course import Course
from gateway.guards import gate
from gateway.seating import take_slot
from gateway.trip import Trip
from gateway.upstream.attempt import Attempt
from gateway.wire.answer_fault import answer_fault
from gateway.wire.retry_after import retry_after_s

_OK = 200
_TOO_LONG = "The call took longer than it may, all its tries together."


class Rooms(continuing.Rooms, Protocol):
    """The pipeline, as far as a call on its way needs it."""

    def send(self, call: Call, request: Request, course: Course, document: Any) -> Attempt:
        """Start a try."""
        ...

    async def admit(self, call: Call, request: Request, course: Course) -> tuple[Course, Any]:
        """Let guards look at a request."""
        ...


async def travel(rooms: Rooms, call: Call, request: Request, course: Course, document: Any) -> tuple[Course, Attempt]:
    """Make tries until one is good enough, or the last.

    Returns:
        Where the call was answered, and by what; that may be an error that the provider sent.

    Raises:
        GatewayError: No deployment answered; the error is the last one's.
    """
    if isinstance(trip := call.trip, Trip) and trip.elsewhere:
        course, document = await _settle(rooms, call, request, course, document, trip)
    while isinstance(trip := call.trip, Trip):
        course, document = await _seat(rooms, call, request, course, document, trip)
        if call.trip is not trip:
            # A rule that holds there sends the call elsewhere.
            continue
        attempt, error = await _try(rooms, call, request, course, document, trip)
        if trip.continues and attempt is not None and continuing.was_cut(call, attempt, error):
            return await continuing.carry_on(rooms, call, course, document, attempt, error)
        wait_s = _wait_s(call, trip, attempt, error)
        if wait_s is None or wait_s >= _left_s(rooms, call, course):
            if error is None and attempt is not None:
                return course, attempt
            raise error or Bug("A try ended with neither an answer nor an error.")
        _note(rooms, call, attempt, "upstream_error" if error is None else error.code)
        if wait_s:
            await asyncio.sleep(wait_s)
        course, document = await _move(rooms, call, request, course, document, trip.place)
    # A rule has sent the call where there is one deployment and one try.
    attempt = rooms.send(call, request, course, document)
    await attempt
    return course, attempt


async def _seat(
    rooms: Rooms, call: Call, request: Request, course: Course, document: Any, trip: Trip
) -> tuple[Course, Any]:
    """Take a slot for a call; where that is at another deployment than planned, take the call there."""
    planned, seated = trip.place, False
    if await take_slot(trip):
        # Its times are not those of an ordinary call.
        rooms.journal.record(call)
    if trip.place == planned:
        return course, document
    try:
        moved = await _move(rooms, call, request, course, document, trip.place)
        seated = call.trip is trip
    finally:
        if not seated:
            trip.leave()
    return moved


async def _try(
    rooms: Rooms, call: Call, request: Request, course: Course, document: Any, trip: Trip
) -> tuple[Attempt | None, GatewayError | None]:
    """Make one try; gives the answer, or why there is none."""
    attempt, over, late = None, False, None
    try:
        trip.begin()
        attempt = rooms.send(call, request, course, document)
        attempt.head = trip.learning(attempt.sent_ns, attempt.head)
        if trip.number > 1:
            # The transport knows how long a try may take, not what the tries before it took.
            left_s = _left_s(rooms, call, course)
            late = asyncio.get_running_loop().call_later(left_s, attempt.stop, TotalTimeout(_TOO_LONG))
        await attempt
        over = True
        checked(call, attempt)
    except (ProviderError, UnsupportedField) as error:
        over = True
        return attempt, error
    finally:
        if late is not None:
            late.cancel()
        if not over:
            # The client went away, or a rule ended the call: the deployment has nothing to do with it.
            trip.leave()
    return attempt, None


def _left_s(rooms: Rooms, call: Call, course: Course) -> float:
    """Seconds that are left of those which the whole call may take."""
    return course.deployment.timeouts.total_s - (rooms.journal.now_ns() - call.incoming.received_ns) / 1e9


def _wait_s(call: Call, trip: Trip, attempt: Attempt | None, error: GatewayError | None) -> float | None:
    """Seconds until the next try; ``None`` when there is none."""
    if attempt is None or isinstance(error, UnsupportedField):
        return 0.0 if trip.unfit() else None
    cause = trip.end(attempt, error)
    if cause is None or call.reply.started or call.reply.gone:
        return None
    return trip.go_on(cause, retry_after_s(attempt.headers))


def _note(rooms: Rooms, call: Call, attempt: Attempt | None, code: str) -> None:
    """Note a try that came to nothing, and forget what was there for its answer."""
    record = rooms.journal.record(call)
    for screened in let_go(call):
        gate.note(record, screened)
    call.screen = call.clauses = call.crossing = None
    if attempt is not None and call.trip is not None:
        rooms.journal.tried(record, call, code)
        call.trip.spent_ns += attempt.ended_ns - attempt.sent_ns
        # It is on record: whatever ends the call before another try is not of this one.
        call.attempt = None


async def _settle(
    rooms: Rooms, call: Call, request: Request, course: Course, document: Any, trip: Trip
) -> tuple[Course, Any]:
    """Take a call that was admitted for one deployment to the one that it is for, now that rules have spoken."""
    record = rooms.journal.record(call)
    kept, record.guard_events = record.guard_events, []
    try:
        return await _move(rooms, call, request, course, document, trip.place)
    finally:
        gate.after_reroute(record, kept)


async def _move(
    rooms: Rooms, call: Call, request: Request, course: Course, document: Any, place: int
) -> tuple[Course, Any]:
    """Take a call to another candidate, under the rules that hold there; gives its course and what to send."""
    going = rooms.courses.next(call, request, course, place)
    if going.deployment is course.deployment:
        return course, document
    call.deployment, call.template = going.deployment, going.template
    rooms.ledger.move(call, going.principal, request, going.deployment)
    rooms.journal.rerouted(rooms.journal.record(call), going.template)
    if going.guard is not course.guard and going.guard.request_active:
        return await rooms.admit(call, request, going)
    return going, document


def checked(call: Call, attempt: Attempt) -> Attempt:
    """Look at a whole answer, which may say that all is well and be none. One that crosses was read on the way.

    Raises:
        ProviderError: It is an error, or nothing that a client could read.
    """
    if attempt.reader is None and attempt.status == _OK and call.crossing is None:
        fault = answer_fault(call.dialect.name, attempt.body)
        if fault is not None:
            raise fault
    return attempt


def let_go(call: Call) -> list[Screened]:
    """Let go of who judges a call, and return what judges beside it have said."""
    if call.clauses is not None:
        call.clauses.drop()
    judging, call.judging = call.judging, None
    return judging.drop() if judging is not None else []
