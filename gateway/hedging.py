"""Gives a call that nobody has begun to answer to a second deployment as well; who begins first has it.

Each of the two has a :class:`~gateway.core.call.Call` of its own, with its own guards, masks and screens, and takes a
:class:`~gateway.sides.Seat` for its client. The first byte for the client decides: whose it is becomes the call, and
the other is stopped before that byte leaves. Of whole answers the one that is whole first has it.

    first alone ──late──► both ──a byte, or a whole answer──► one has it
        │                  │ └──one fails──► the other alone
        └──fails──► over ◄─┴──both fail
"""

from __future__ import annotations

import asyncio
from copy import copy
from functools import partial
from typing import Any, cast

from gateway.core.call import Call
from gateway.core.errors import ClientGone, GatewayError, ProviderError, TotalTimeout, UnsupportedField
from gateway.core.exchange import Request
from gateway.core.ports import Reply
from gateway.core.record import AttemptRecord
from gateway.core.signal import Signal
from gateway.course import Course
from gateway.moves import TOO_LONG, Rooms, left_s, let_go, move
from gateway.purse import Lost, Purse, charge_lost
from gateway.sides import Seat, Side, Tried
from gateway.trip import Trip

# What the record calls a try whose answer was not waited for; what it used is estimated.
OUTRUN = "outrun"
# Asking twice for these is no more than work done twice.
_ASKED_TWICE = frozenset({"chat", "text_completion", "embeddings"})


def may_hedge(trip: Trip, request: Request) -> bool:
    """Whether a call may be given to two deployments at once."""
    return trip.hedges is not None and can_be_asked_twice(request)


def can_be_asked_twice(request: Request) -> bool:
    """Whether two deployments can be asked the same: what a provider keeps, or does in other places, is done once."""
    return request.operation in _ASKED_TWICE and not (request.detached or request.stored or _acts(request.document))


def _acts(document: Any) -> bool:
    """Whether a request lets its provider call servers of others."""
    if not isinstance(document, dict):
        return True
    fields = cast("dict[str, Any]", document)
    tools: Any = fields.get("tools")
    named = cast("list[Any]", tools) if isinstance(tools, list) else []
    return "mcp_servers" in fields or any(isinstance(each, dict) and "mcp" in each.values() for each in named)


async def hedged(rooms: Rooms, call: Call, request: Request, course: Course, document: Any, trip: Trip) -> Tried:
    """Make a try, and another beside it when the first lets wait.

    Raises:
        GatewayError: A rule, or a fault of ours, has ended the call.
    """
    race = Race(rooms, call, Side(call, request, course, document, trip))
    over = False
    try:
        try:
            race.begin()
        except (ProviderError, UnsupportedField) as error:
            over = True
            return Tried(course, document, trip, None, error)
        await race.over
        over = True
    finally:
        if not over:
            race.leave()
        race.close()
    return await race.last.tried(request)


class Race:
    """One call, and the one or two deployments that are at work on it.

    Args:
        rooms: The pipeline.
        call: The exchange; it becomes that of whoever has it.
        first: Who is asked first.

    Attributes:
        over: Fires when it is known what becomes of the call.
        last: Who had it at the end.
    """

    def __init__(self, rooms: Rooms, call: Call, first: Side) -> None:
        self._rooms = rooms
        self._call = call
        self._first = first
        self._second: Side | None = None
        self._won: Side | None = None
        self._became = False
        self._tries: list[AttemptRecord] = []
        self._timer: asyncio.TimerHandle | None = None
        self._end: asyncio.TimerHandle | None = None
        self._joining: asyncio.Task[None] | None = None
        self._purse, first.held = _purse(rooms, call, first.trip), call.lease
        self.over = Signal()
        self.last = first

    def begin(self) -> None:
        """Ask the first; the second is asked when the first lets wait.

        Raises:
            GatewayError: It cannot be asked.
        """
        first = self._first
        first.call.reply = Seat(partial(self._started, first))
        try:
            first.send(self._rooms)
        except GatewayError:
            self._become(first)
            raise
        first.when_over(partial(self._ended, first))
        after_s = None if self.over.fired or self._won is not None else first.trip.hedge_after_s()
        loop = asyncio.get_running_loop()
        if after_s is not None:
            self._timer = loop.call_later(after_s, self._late)
        if not self.over.fired:
            self._end = loop.call_later(left_s(self._rooms, self._call, first.course), self._too_long)

    def leave(self) -> None:
        """The call ends while it is still undecided, or while its stream goes on: its client has gone, or must."""
        side = self._won or self.last
        if self._first.failed and self._second is not None:
            side = self._second
        other = self._second if side is self._first else self._first
        if side.attempt is not None:
            side.attempt.abandon()
        if other is not None and other.running:
            self._lose(other, ClientGone.code)
        side.trip.leave()
        self._become(side)

    def close(self) -> None:
        """Ask nobody any more."""
        for timer in (self._timer, self._end):
            if timer is not None:
                timer.cancel()
        if self._joining is not None:
            self._joining.cancel()
        if self._purse is not None and not self._purse.lost:
            self._purse.give_back()

    def _too_long(self) -> None:
        """The whole call may take no longer, whoever is at work on it; the end of the first ends the call."""
        for side in (self._second, self._first):
            if side is not None and side.running and side.attempt is not None:
                side.attempt.stop(TotalTimeout(TOO_LONG))

    # --- the second

    def _late(self) -> None:
        """The first lets wait: give the call to somebody else too, if there is somebody and it may cost that."""
        first, purse = self._first, self._purse
        if self._won is not None or not first.running or first.begun() or purse is None:
            return
        fork = first.course.fork
        trip = first.trip.beside() if fork is not None else None
        if fork is None or trip is None:
            return
        if not purse.take(first.request, (first.course.deployment, fork.plan.candidates[trip.place])):
            trip.leave()
            return
        self._joining = asyncio.get_running_loop().create_task(self._join(trip))
        self._joining.add_done_callback(partial(self._joined, trip))

    async def _join(self, trip: Trip) -> None:
        """Ask the second, under the rules that hold there; where they do not allow it, nobody is asked."""
        rooms, first = self._rooms, self._first
        record = rooms.journal.record(first.call)
        second = Side(first.call, copy(first.request), first.course, first.document, trip)
        second.held, call = self._call.lease, second.call
        call.record, call.crossing, call.screen, call.clauses, call.judging = copy(record), None, None, None, None
        call.reply = Seat(partial(self._started, second))
        attempt = None
        try:
            second.course, second.document = await move(
                rooms, call, second.request, first.course, first.document, trip.place
            )
            if call.trip is trip:
                self._second = second
                attempt = second.send(rooms)
                first.trip.made = trip.made
        except GatewayError:
            # Whatever it was, the first is at work on the call.
            pass
        finally:
            if attempt is None:
                self._second = None
                let_go(call)
                rooms.ledger.release(call)
        if attempt is not None:
            second.when_over(partial(self._ended, second))

    def _joined(self, trip: Trip, joining: asyncio.Task[None]) -> None:
        self._joining = None
        if self._second is None:
            # Nobody was asked, or it was not even begun.
            trip.withdraw()
        if not joining.cancelled() and (bug := joining.exception()) is not None:
            self.over.fire(bug)

    # --- what comes of them

    def _started(self, side: Side) -> Reply | None:
        """A byte is there for the client."""
        if self._won is None:
            self._win(side)
        if self._won is not side:
            return None
        side.call.reply = self._call.reply
        return self._call.reply

    def _ended(self, side: Side) -> None:
        """An attempt is over."""
        attempt = side.attempt
        if attempt is None or self.over.fired or (self._won is not None and self._won is not side):
            return
        if self._won is None:
            if side.look():
                self._win(side)
            elif self._other_goes_on(side):
                self._fail(side)
                return
            else:
                self._stop(side)
                self._become(side)
        self.last = side
        self.over.fire()

    def _other_goes_on(self, side: Side) -> bool:
        """Whether a try that has failed leaves the call to the other one."""
        other = self._second if side is self._first else self._first
        if other is None or not other.running:
            return False
        if side.fault is not None and not isinstance(side.fault, ProviderError):
            # A rule has spoken, or it is our own fault.
            return False
        # What is the request's own fault at the first is an answer; at the second it may be for being another one.
        return side is self._second or side.cause() is not None

    def _win(self, side: Side) -> None:
        self._won = side
        attempt = side.attempt
        if attempt is not None:
            begun_ns = attempt.first_ns or attempt.answered_ns
            side.trip.waited((begun_ns - attempt.sent_ns) / 1e9)
        self._stop(side)
        self._become(side)

    def _stop(self, side: Side) -> None:
        """Stop the other one."""
        if self._timer is not None:
            self._timer.cancel()
        if side is self._first and self._joining is not None:
            self._joining.cancel()
        other = self._second if side is self._first else self._first
        if other is not None and other.running:
            self._lose(other, OUTRUN)

    def _lose(self, side: Side, code: str) -> None:
        attempt, call, journal = side.attempt, side.call, self._rooms.journal
        if attempt is None:
            return
        attempt.abandon()
        side.trip.outrun((attempt.ended_ns - attempt.sent_ns) / 1e9)
        let_go(call)
        tried = journal.tried(journal.record(call), call, code)
        lost = None
        if tried is not None:
            self._tries.append(tried)
            if self._purse is not None:
                lost = self._purse.lose(Lost(tried, side.course.deployment, side.told(), side.held_tokens()))
        lease, call.lease = call.lease, None
        purse, second = self._purse, self._second
        if purse is not None and side is self._first and second is not None and second.call.lease is not None:
            # What the second holds takes its place.
            lease, purse.lease = purse.lease, None
        if lease is not None:
            charge_lost(self._rooms, (side.request, side.course.deployment), lease, lost)

    def _fail(self, side: Side) -> None:
        """One has failed, and the other is at work on the call."""
        attempt, call, journal = side.attempt, side.call, self._rooms.journal
        if attempt is None:
            return
        error = side.fault
        side.failed = True
        side.trip.end(attempt, error if isinstance(error, GatewayError) else None)
        let_go(call)
        code = error.code if isinstance(error, GatewayError) else "upstream_error"
        tried = journal.tried(journal.record(call), call, code)
        if tried is not None:
            self._tries.append(tried)
        lease, call.lease = call.lease, None
        if lease is not None:
            lease.void()

    def _become(self, side: Side) -> None:
        """Make the exchange that of one side, once; what the other has tried goes with it."""
        if self._became:
            return
        self._became = True
        call, its = self._call, side.call
        first, second = self._first, self._second
        if second is not None:
            side.trip.made = max(first.trip.made, second.trip.made)
        if side is second and first.attempt is not None and side.attempt is not None:
            side.trip.spent_ns += side.attempt.sent_ns - first.attempt.sent_ns
        if self._tries:
            record = self._rooms.journal.record(its)
            record.attempts = [*record.attempts, *self._tries]
        purse = self._purse
        if its.lease is not None and purse is not None:
            held, purse.lease, its.lease = purse.lease, its.lease, None
            if held is not None:
                # The first has failed.
                held.void()
        call.deployment, call.template, call.trip, call.record = its.deployment, its.template, its.trip, its.record
        call.attempt, call.crossing, call.body, call.masks = its.attempt, its.crossing, its.body, its.masks
        call.screen, call.clauses, call.judging = its.screen, its.clauses, its.judging


def _purse(rooms: Rooms, call: Call, trip: Trip) -> Purse | None:
    """Put a purse in the place of what a call holds."""
    lease, budget = call.lease, trip.hedges
    if isinstance(lease, Purse):
        return lease
    if budget is None:
        return None
    purse = Purse(lease, call, rooms, budget)
    call.lease = purse
    return purse
