"""Goes on with a stream that its provider cut after the client had seen the beginning of it.

Only where the alias says so, and only with one plain text. What is shown of the next deployment's answer passes the
same reader and the same guards as the beginning, so that rules and client see one text; each part is a try on the
record with what it used. Where nobody can go on, the stream ends as it would have: with its error event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from gateway.accounting.ledger import Ledger
from gateway.core.call import Call
from gateway.core.codec import WireRequest
from gateway.core.errors import (
    BudgetExceeded,
    Bug,
    GatewayError,
    ProviderAnswered,
    ProviderError,
    RateLimited,
    StoreUnavailable,
    StreamBroken,
    TotalTimeout,
    UnsupportedField,
)
from gateway.core.exchange import Request
from gateway.core.limit_state import Lease
from gateway.core.resumable import Resumable
from gateway.core.spent import Spent
from gateway.core.usage import Usage, total
from gateway.core.verdict import Masked
from gateway.course import Course, Courses
from gateway.guards import gate
from gateway.guards.sessions import Sessions
from gateway.moves import BROKE_OFF, broke_off
from gateway.purse import Purse
from gateway.recording.journal import Journal
from gateway.trip import Trip
from gateway.upstream.attempt import Attempt
from gateway.upstream.dispatch import Dispatcher
from gateway.upstream.leg import Leg, LegSink
from gateway.wire.bridge import Spare
from gateway.wire.continuing import Continuation, Seam, SeamWriter, find_seam, reader_of
from gateway.wire.further import Way, added, further, joint_of, prefilled, way_of
from gateway.wire.patch import dump

_TOO_LONG = "The call took longer than it may."


class Rooms(Protocol):
    """The pipeline, as far as a stream that is gone on with needs it."""

    @property
    def courses(self) -> Courses:
        """Find where calls go."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Weighs its parts."""
        ...

    @property
    def journal(self) -> Journal:
        """Keeps its record."""
        ...

    @property
    def dispatcher(self) -> Dispatcher:
        """Starts tries."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Know the vault of the caller's session."""
        ...


class _Prepared(NamedTuple):
    """What the next deployment is asked, and where: its body, where it speaks the client's dialect."""

    course: Course
    continuation: Continuation
    body: bytes | None
    lease: Lease | None


def was_cut(call: Call, attempt: Attempt, error: GatewayError | None) -> bool:
    """Whether a try has ended in the middle of a stream whose beginning the client has seen."""
    reader = attempt.reader
    if reader is None or not call.reply.started or call.reply.gone or not isinstance(reader, Resumable):
        return False
    if error is not None:
        return isinstance(error, ProviderError)
    return broke_off(call, reader)


async def carry_on(
    rooms: Rooms, call: Call, course: Course, document: Any, attempt: Attempt, error: GatewayError | None
) -> tuple[Course, Attempt]:
    """Go on with a stream that was cut, as often as its alias allows.

    Args:
        rooms: The pipeline.
        call: The exchange.
        course: Where it was answered so far.
        document: The request, as admitted.
        attempt: The try that was cut.
        error: By what; ``None`` where the provider ended the body too early.

    Returns:
        Where it was answered to its end, and by what.

    Raises:
        GatewayError: Nobody goes on; the error is that of the first cut.
    """
    cut = error or StreamBroken(BROKE_OFF)
    going, problem = Going(rooms, call, course, document), cut
    while (leg := await going.further(attempt, problem)) is not None:
        attempt = leg
        ended = await going.outcome(leg)
        if ended is None:
            return going.course, leg
        problem = ended
    going.trip.code = problem.code
    raise cut


class Going:
    """One stream that is gone on with.

    Args:
        rooms: The pipeline.
        call: The exchange, on a trip.
        course: Where it was answered so far.
        document: The request, as admitted.
    """

    __slots__ = ("_call", "_document", "_refused", "_request", "_rooms", "_way", "course", "trip")

    def __init__(self, rooms: Rooms, call: Call, course: Course, document: Any) -> None:
        trip, request = call.trip, call.request
        if not isinstance(trip, Trip) or request is None:
            raise Bug("A stream without a trip was to be gone on with.")
        self.trip = trip
        self.course = course
        self._rooms = rooms
        self._call = call
        self._request: Request = request
        self._document = document
        self._way: Way = "instruct"
        # Who would not have the beginning of an answer given.
        self._refused: set[int] = set()

    async def further(self, attempt: Attempt, problem: GatewayError) -> Leg | None:
        """Send what is left of the answer to be made; ``None`` where nobody makes it."""
        call, reader = self._call, attempt.reader
        if problem.released:
            # The reader had it ready when the error came.
            attempt.out_bytes += len(problem.released)
            call.reply.write(problem.released)
            problem.released = b""
        again = self._refuses(attempt)
        cause = self.trip.end(attempt, None if attempt.status >= 400 else problem)
        helps = attempt.status >= 400 or (cause is not None and self.trip.tries_again(cause))
        if reader is None or not helps:
            return None
        seam = self._seam(attempt)
        if seam is None or not await self._may_leave(seam.said):
            return None
        facts = reader.facts
        if call.crossing is not None:
            facts.usage = call.crossing.usage
        facts.usage = await self._rooms.ledger.weigh(call, facts)
        over = call.reply.gone or self._left_s() <= 0
        prepared = None if over else await self._next(seam, facts.usage, again=again)
        return None if prepared is None else self._start(seam, attempt, prepared, problem)

    async def outcome(self, leg: Leg) -> GatewayError | None:
        """Wait for a part, and say why it did not end the answer; ``None`` when it did."""
        over, error = False, None
        # The transport knows how long a try may take, not what those before it took.
        late = asyncio.get_running_loop().call_later(self._left_s(), leg.stop, TotalTimeout(_TOO_LONG))
        try:
            await leg
            over = True
        except ProviderError as failed:
            over, error = True, failed
        finally:
            late.cancel()
            if not over:
                # The client went away, or a rule ended the call.
                self.trip.leave()
        if error is None and leg.status >= 400:
            error = ProviderAnswered(f"The provider answered with status {leg.status}.", status=leg.status)
        if error is None:
            self.trip.end(leg, None)
        return error

    def _left_s(self) -> float:
        took_s = (self._rooms.journal.now_ns() - self._call.incoming.received_ns) / 1e9
        return self.course.deployment.timeouts.total_s - took_s

    def _refuses(self, attempt: Attempt) -> bool:
        """Whether who was asked to go on may have refused for the way in which it was asked, and is asked otherwise."""
        place = self.trip.place
        if attempt.status != 400 or self._way != "prefill" or place in self._refused:
            return False
        self._refused.add(place)
        return True

    def _seam(self, attempt: Attempt) -> Seam | None:
        data = attempt.gathered
        return None if data is None else find_seam(self._request, self._path(), data)

    def _path(self) -> str:
        incoming = self._call.incoming
        return f"{incoming.path}?{incoming.query}" if incoming.query else incoming.path

    async def _may_leave(self, said: str) -> bool:
        """Whether rules on requests let the answer so far go to another provider, untouched."""
        call, request = self._call, self._request
        document = added(request.dialect, _unmasked(said, call.masks or {}), "instruct")
        asked = msgspec.structs.replace(request, document=document, body=dump(document))
        record = self._rooms.journal.record(call)
        return await gate.may_be_sent(record, self.course.guard, call.dialect, asked, self._rooms.sessions)

    async def _ahead(self, course: Course) -> Lease | None:
        ledger, asked = self._rooms.ledger, (self._call, course.principal, self._request, course.deployment)
        if not ledger.shared:
            return ledger.ahead(*asked)
        try:
            return await ledger.ask_ahead(*asked)
        except asyncio.CancelledError:
            self.trip.leave()
            raise

    async def _next(self, seam: Seam, usage: Usage | None, *, again: bool) -> _Prepared | None:
        """Choose who goes on, and write what it is asked."""
        trip, call = self.trip, self._call
        while again or trip.carry_on():
            again = False
            course = self._rooms.courses.next(call, self._request, self.course, trip.place)
            # Who is judged by other rules would have to be judged by them from the beginning.
            if course.guard is self.course.guard:
                lease = None
                try:
                    lease = await self._ahead(course)
                    return _Prepared(course, *self._written(course, seam, usage), lease)
                except (UnsupportedField, RateLimited, BudgetExceeded, StoreUnavailable):
                    if lease is not None:
                        lease.void()
            trip.pass_over()
        return None

    def _written(self, course: Course, seam: Seam, usage: Usage | None) -> tuple[Continuation, bytes | None]:
        """Write the request for the rest of the answer."""
        request, call, deployment, bridge = self._request, self._call, course.deployment, course.bridge
        target = request.dialect if bridge is None else bridge.provider.name
        rule = self.trip.continue_rule
        way = way_of(rule, request.dialect, target, deployment.model or request.model, seam.chat)
        self._way = way = "instruct" if self.trip.place in self._refused else way
        before = total(None if call.spent is None else call.spent.usage, usage)
        used = 0 if before is None else before.output_tokens
        document = further(self._document, request.dialect, seam.said, way, used)
        record = self._rooms.journal.record(call)
        spare = Spare(record.id, record.started_us // 1_000_000)
        writer = SeamWriter(seam, joint_of(seam.said, way), before)
        opens = way == "prefill" and target == "openai_chat"
        if bridge is None:
            sent = prefilled(document) if opens else document
            body = call.dialect.upstream_body(request, sent, deployment.model)
            wire = WireRequest(path="", document=None)
            return Continuation(reader_of(request.dialect), writer, wire, document, spare), body
        crossing = bridge.cross(document, self._path(), deployment, spare, prefilled=way == "prefill")
        wire = crossing.wire
        if opens:
            wire = msgspec.structs.replace(wire, document=prefilled(wire.document))
        return Continuation(bridge.provider.reader, writer, wire, document, spare, crossing.dropped), None

    def _start(self, seam: Seam, attempt: Attempt, prepared: _Prepared, problem: GatewayError) -> Leg:
        """Note the part that is over, and begin the next; nothing here waits, so that both or neither are done."""
        rooms, call, (course, continuation, body, lease) = self._rooms, self._call, prepared
        self._book(attempt, problem, lease)
        record = rooms.journal.record(call)
        self.course = course
        call.deployment, call.template = course.deployment, course.template
        rooms.journal.rerouted(record, course.template)
        record.dropped_fields = [*record.dropped_fields, *continuation.dropped]
        call.attempt = leg = Leg(call, attempt, seam.clean, rooms.journal.now_ns)
        call.crossing = call.part = continuation
        gate.follow(call, leg.stop)
        self.trip.resume()
        rooms.courses.join(call, self.trip.number)
        try:
            consumed = course.principal.consumed
            if body is None:
                rooms.dispatcher.start_crossing(leg, course.deployment, continuation, call, consumed)
            else:
                sink = LegSink(leg, continuation, call.dialect)
                rooms.dispatcher.start(sink, course.deployment, self._request, body, call.incoming, consumed)
        except GatewayError:
            self.trip.leave()
            raise
        leg.under_way()
        return leg

    def _book(self, attempt: Attempt, problem: GatewayError, lease: Lease | None) -> None:
        rooms, call, reader = self._rooms, self._call, attempt.reader
        if reader is None:
            return
        record, facts = rooms.journal.record(call), reader.facts
        rooms.ledger.weigh_part(call, record, facts)
        rooms.journal.tried(record, call, problem.code)
        spent = call.spent = call.spent or Spent(counts={})
        spent.take(record, facts.usage)
        if isinstance(call.lease, Purse):
            call.lease = call.lease.part(facts.usage)
        facts.usage = None
        rooms.ledger.change(call, lease)
        self.trip.spent_ns += attempt.ended_ns - attempt.sent_ns


def _unmasked(said: str, masks: Mapping[str, Masked]) -> str:
    """Take out placeholders that this call made: what stands behind them was judged when they were."""
    for placeholder in masks:
        said = said.replace(placeholder, "")
    return said
