"""Sends a call to one deployment after the other, until one answers it or no other may.

Once a byte has reached the client there is no other try: what it has seen of one answer must not go on with another.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from gateway.core.call import Call
from gateway.core.errors import Bug, GatewayError, ProviderError, UnsupportedField
from gateway.core.exchange import Request
from gateway.course import Course
from gateway.trip import Trip, retry_after
from gateway.upstream.attempt import Attempt


class Rooms(Protocol):
    """The pipeline, as far as a call on its way needs it."""

    def send(self, call: Call, request: Request, course: Course, document: Any) -> Attempt:
        """Start a try."""
        ...

    async def move(self, call: Call, request: Request, course: Course, place: int, document: Any) -> tuple[Course, Any]:
        """Take a call to another candidate, under the rules that hold there; gives its course and what to send."""
        ...

    def tried(self, call: Call, attempt: Attempt | None, code: str) -> None:
        """Note a try that came to nothing."""
        ...


async def travel(rooms: Rooms, call: Call, request: Request, course: Course, document: Any) -> tuple[Course, Attempt]:
    """Make tries until one is good enough, or the last.

    Returns:
        Where the call was answered, and by what; that may be an error that the provider sent.

    Raises:
        GatewayError: No deployment answered; the error is the last one's.
    """
    while isinstance(trip := call.trip, Trip):
        attempt, error = await _try(rooms, call, request, course, document, trip)
        wait_s = _wait_s(call, trip, attempt, error)
        if wait_s is None:
            if error is None and attempt is not None:
                return course, attempt
            raise error or Bug("A try ended with neither an answer nor an error.")
        rooms.tried(call, attempt, "upstream_error" if error is None else error.code)
        if wait_s:
            await asyncio.sleep(wait_s)
        course, document = await rooms.move(call, request, course, trip.place, document)
    # A rule has sent the call where there is one deployment and one try.
    attempt = rooms.send(call, request, course, document)
    await attempt
    return course, attempt


async def _try(
    rooms: Rooms, call: Call, request: Request, course: Course, document: Any, trip: Trip
) -> tuple[Attempt | None, GatewayError | None]:
    """Make one try; gives the answer, or why there is none."""
    attempt, over = None, False
    try:
        trip.begin()
        attempt = rooms.send(call, request, course, document)
        await attempt
        over = True
    except (ProviderError, UnsupportedField) as error:
        over = True
        return attempt, error
    finally:
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
    return trip.go_on(cause, retry_after(attempt.headers))
