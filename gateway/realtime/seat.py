"""A session's place at its deployment: one of those that `concurrency` allows, for as long as the session lasts."""

from __future__ import annotations

from gateway.core.call import Call
from gateway.core.exchange import Deployment, Principal, Request
from gateway.core.record import ExchangeRecord
from gateway.course import Course, Way
from gateway.realtime.opening import converse
from gateway.realtime.rooms import Rooms
from gateway.seating import take_slot
from gateway.trip import Trip


async def seated(call: Call, request: Request, course: Course, rooms: Rooms) -> None:
    """Serve a session at a deployment that has room for it; it waits for that as any call does, and stays where it is.

    Args:
        call: The exchange; a limit's share is taken.
        request: The handshake.
        course: Where it goes, under which rules.
        rooms: As said.

    Raises:
        GatewayError: There will be no session, and the client has been told nothing yet.
    """
    trip = call.trip
    if not isinstance(trip, Trip):
        return await converse(call, request, course, rooms)
    planned = trip.place
    try:
        if await take_slot(trip):
            # Its times are not those of an ordinary call.
            rooms.journal.record(call)
        if trip.place != planned:
            course = _moved(call, request, course, rooms, trip.place)
        # A conversation stays where it began.
        call.trip = None
        await converse(call, request, course, rooms)
    finally:
        # How a session ends says nothing of its deployment.
        trip.leave()


def _moved(call: Call, request: Request, course: Course, rooms: Rooms, place: int) -> Course:
    """Take a handshake, which has nothing in it that rules look at, to another candidate."""
    going = rooms.courses.next(call, request, course, place)
    call.deployment, call.template = going.deployment, going.template
    rooms.ledger.move(call, going.principal, request, going.deployment)
    rooms.journal.rerouted(rooms.journal.record(call), going.template)
    return going


class Seats:
    """Knows the way of sessions alone; a :class:`gateway.course.Ways` where no answer is kept."""

    def find(self, request: Request, principal: Principal, template: ExchangeRecord, to: Deployment) -> Way | None:
        """Give the way of a session."""
        return seated if request.duplex else None
