"""Gives a call an answer that is at hand, by the way that a provider's answer takes.

Its dialect's reader, every rule on answers, the record: all see it as any other. It costs nothing, and counts as a
request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from gateway.cache.flights import Flight, Follower
from gateway.cache.renewal import Renewing, event_stream, renewed
from gateway.core.cached import CachedAnswer, Served
from gateway.core.call import Call
from gateway.core.chat import ChatRequest
from gateway.core.codec import WireRequest
from gateway.core.errors import Bug
from gateway.core.exchange import Request
from gateway.core.ports import AnswerSink
from gateway.core.record import CacheRecord
from gateway.core.usage import Usage
from gateway.course import Course
from gateway.guards import gate
from gateway.moves import Rooms as Moving
from gateway.moves import let_go
from gateway.upstream.attempt import Attempt
from gateway.upstream.crossing import CrossingSink
from gateway.wire.bridge import Crossing, Spare, between

_JSON = b"application/json"


class Rooms(Moving, Protocol):
    """The pipeline, as far as an answer that is at hand needs it."""

    def stream_head(self, call: Call) -> bytes:
        """Give the head of a stream."""
        ...

    async def end(self, call: Call, request: Request, course: Course, attempt: Attempt) -> None:
        """Take an answer to its client."""
        ...


class _Spared:
    """The way of a call that nobody is asked for; a :class:`gateway.core.call.TripView`."""

    kind = "first"
    code = split = arm = ""
    number = spent_ns = made = continues = 0
    after: Callable[[Call], None] | None = None

    def judge(self, score: float, verdict: str, *, tainted: bool) -> None:
        """It goes nowhere."""


class _Free:
    """What a call has used that nobody was asked for; a :class:`gateway.core.call.CrossingView`."""

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.usage: Usage | None = Usage()


class Played(msgspec.Struct):
    """A call that is being given an answer; what it was before, should it have to be asked for after all."""

    call: Call
    request: Request
    course: Course
    attempt: Attempt
    before: tuple[Any, Any, tuple[Any, ...]]
    flight: Flight | None = None

    def undo(self, record_cache: Literal["miss"] = "miss") -> None:
        """Make it a call again that is to be asked for. Its client has been told nothing."""
        call, record = self.call, self.call.record
        let_go(call)
        call.screen = call.clauses = call.crossing = call.attempt = None
        call.trip, call.deployment, weighed = self.before
        if record is not None:
            record.cache, record.cached = record_cache, []
            record.usage_source, record.cost_nanousd, record.input_tokens, record.output_tokens = weighed


def begin(rooms: Rooms, call: Call, request: Request, course: Course, document: Any, *, how: str) -> Played:
    """Make ready what takes an answer, as for one that comes from a provider."""
    dialect, guard, record = call.dialect, course.guard, rooms.journal.record(call)
    weighed = (record.usage_source, record.cost_nanousd, record.input_tokens, record.output_tokens)
    before = call.trip, call.deployment, weighed
    # Nobody is asked: nothing is counted, priced or learnt from.
    call.trip, call.deployment, call.crossing = _Spared(), None, _Free()
    call.body = dialect.upstream_body(request, document, "")
    record.cache, record.usage_source = how, "reported"
    record.cost_nanousd = record.input_tokens = record.output_tokens = 0
    if guard.response_active or guard.judged or call.masks:
        gate.watch(call, guard, restores=True)
    attempt = Attempt(call, rooms.stream_head, rooms.journal.now_ns, gather=guard.gathers)
    call.attempt = attempt
    if call.judging is not None:
        call.judging.begin(dialect, document, attempt.stop)
    return Played(call, request, course, attempt, before)


def told(rooms: Rooms, call: Call, served: Served, now_s: int) -> CacheRecord:
    """Say whose answer it is, and what it saved."""
    answer = served.answer
    took_ms = (rooms.journal.now_ns() - call.incoming.received_ns) / 1e6
    return CacheRecord(
        origin=answer.exchange_id,
        partition=answer.partition,
        similarity=served.similarity,
        chance=served.chance,
        age_s=max(0, now_s - answer.stored_s),
        saved_nanousd=answer.cost_nanousd,
        saved_ms=max(0.0, answer.duration_ms - took_ms),
    )


def feed(played: Played, answer: CachedAnswer, chat: ChatRequest | None, record_id: str, now_s: int) -> None:
    """Give a kept answer to whoever takes it."""
    sink = _sink(played, answer.dialect, chat, record_id, now_s)
    sink.on_head(200, {b"content-type": event_stream(answer.dialect) if answer.stream else _JSON})
    if not played.attempt.ended_ns:
        sink.on_data(renewed(answer.body, record_id, now_s))
    if not played.attempt.ended_ns:
        sink.on_end()


def follow(played: Played, flight: Flight, chat: ChatRequest | None, record_id: str, now_s: int) -> Follower:
    """Give the call a stream that is on its way for another."""
    sink = _sink(played, flight.dialect, chat, record_id, now_s)
    follower = Follower(flight, sink, Renewing(flight.dialect, record_id))
    played.attempt.running, played.flight = follower, flight
    follower.go_on()
    return follower


def _sink(played: Played, dialect: str, chat: ChatRequest | None, record_id: str, now_s: int) -> AnswerSink:
    call, attempt = played.call, played.attempt
    if dialect == call.dialect.name:
        return attempt
    bridge = between(call.dialect.name, dialect)
    if bridge is None or chat is None:
        raise Bug("An answer was kept in a dialect that its client cannot be given.")
    crossing = Crossing(bridge, chat, WireRequest(path="", document=None), (), Spare(record_id, now_s))
    return CrossingSink(attempt, crossing, call.dialect)


async def finish(rooms: Rooms, played: Played) -> None:
    """Take the answer to its client, and give back what was held for a call that nobody is asked for.

    Raises:
        GatewayError: The answer is none, or a rule turns it back.
    """
    call, attempt = played.call, played.attempt
    await attempt
    if played.flight is not None:
        await _saved(rooms, call, played.flight)
    lease, call.lease = call.lease, None
    if lease is not None:
        if not call.reply.started:
            rooms.ledger.tell(call, attempt, lease)
        lease.void()
    await rooms.end(call, played.request, played.course, attempt)


async def _saved(rooms: Rooms, call: Call, flight: Flight) -> None:
    """Put on record what a stream has cost that came for another; that is known when this one's call is over."""
    await flight.ended()
    took_ms = (rooms.journal.now_ns() - call.incoming.received_ns) / 1e6
    for told in rooms.journal.record(call).cached:
        told.saved_nanousd, told.saved_ms = flight.cost_nanousd, max(0.0, flight.took_ms - took_ms)
