"""Waits with a call until a deployment has room for it, for as long as it may; a client that leaves waits no more."""

from __future__ import annotations

import asyncio

from gateway.core.errors import Overloaded
from gateway.trip import Trip


async def take_slot(trip: Trip) -> bool:
    """Take a slot for a call's next try, at once or when its turn comes.

    Args:
        trip: Its way; afterwards its place is where the slot is, and whoever goes on gives it back.

    Returns:
        Whether the call has waited.

    Raises:
        Overloaded: There was none in time, or too many wait already; ``retry_after_s`` says when to come back.
    """
    if trip.take():
        return False
    loop = asyncio.get_running_loop()
    turn: asyncio.Future[None] = loop.create_future()

    def called() -> None:
        if not turn.done():
            turn.set_result(None)

    def refused(why: Overloaded) -> None:
        if not turn.done():
            turn.set_exception(why)

    queue, ticket = trip.line_up(called, refused)
    timer = loop.call_later(queue.rule.wait_s, queue.late, ticket)
    seated = False
    try:
        await turn
        seated = True
    finally:
        timer.cancel()
        if not seated:
            # The client went away, perhaps in the moment in which its turn came.
            queue.leave(ticket)
            trip.leave()
    return True
