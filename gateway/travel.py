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
from gateway.course import Course
from gateway.guards import gate
from gateway.hedging import hedged, may_hedge
from gateway.moves import TOO_LONG, checked, left_s, let_go, move
from gateway.moves import Rooms as Moving
from gateway.seating import take_slot
from gateway.trip import Trip
from gateway.upstream.attempt import Attempt
from gateway.wire.retry_after import retry_after_s


class Rooms(Moving, continuing.Rooms, Protocol):
    """The pipeline, as far as a call on its way needs it."""


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
        if may_hedge(trip, request):
            tried = await hedged(rooms, call, request, course, document, trip)
            course, document, trip = tried.course, tried.document, tried.trip
            attempt, error = tried.attempt, tried.error
        else:
            attempt, error = await _try(rooms, call, request, course, document, trip)
        if trip.continues and attempt is not None and continuing.was_cut(call, attempt, error):
            return await continuing.carry_on(rooms, call, course, document, attempt, error)
        wait_s = _wait_s(call, trip, attempt, error)
        if wait_s is None or wait_s >= left_s(rooms, call, course):
            if error is None and attempt is not None:
                if rooms.mirrors is not None and course.fork is not None and course.fork.plan.mirror is not None:
                    rooms.mirrors.draw(rooms, call, request, course, document)
                return course, attempt
            raise error or Bug("A try ended with neither an answer nor an error.")
        _note(rooms, call, attempt, "upstream_error" if error is None else error.code)
        if wait_s:
            await asyncio.sleep(wait_s)
        course, document = await move(rooms, call, request, course, document, trip.place)
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
        moved = await move(rooms, call, request, course, document, trip.place)
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
        if trip.number > 1:
            rooms.courses.join(call, trip.number)
        attempt = rooms.send(call, request, course, document)
        attempt.head = trip.learning(attempt.sent_ns, attempt.head)
        if trip.number > 1:
            # The transport knows how long a try may take, not what the tries before it took.
            late = asyncio.get_running_loop().call_later(
                left_s(rooms, call, course), attempt.stop, TotalTimeout(TOO_LONG)
            )
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
        return await move(rooms, call, request, course, document, trip.place)
    finally:
        gate.after_reroute(record, kept)
