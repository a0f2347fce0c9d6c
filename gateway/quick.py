"""Gives a kept answer in as few steps as that takes: in its own dialect, where no rule has anything to say.

What :mod:`gateway.replay` would do for such a call comes to the same; where there is more to it, that does it. Rules on
answers look at a kept one as well; where that brought nothing, and such rules say the same each time, they are not
asked again about that answer to that request.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol, cast

import msgspec

from gateway.accounting.ledger import Ledger
from gateway.cache.renewal import event_stream, mould, poured
from gateway.core.cached import AnswerStore, CachedAnswer, Served
from gateway.core.call import Call
from gateway.core.errors import GatewayError
from gateway.core.exchange import AnswerFacts, Headers, Request
from gateway.core.ports import AttemptView
from gateway.core.record import CacheRecord, ExchangeRecord
from gateway.course import Course
from gateway.guards.plan import GuardPlan
from gateway.moves import broke_off
from gateway.recording.journal import Journal
from gateway.recording.ordinary import Noted
from gateway.trip import Trip
from gateway.wire.answer_fault import answer_fault
from gateway.wire.answer_head import JSON, AnswerHead
from gateway.wire.headers import answer_headers

# Each takes some 200 bytes, or an answer.
_MOST_KEYS = _MOST_SEEN = 8192
_MOST_READY = 1024
_MAX_READY_BYTES = 65_536
_MAX_NAME_CHARS = 256
_SOME_ID, _SOME_TIME_S = "0" * 32, 2_000_000_000
# Dialects in which nothing beside the body says what is asked.
_BODY_ALONE = frozenset(("openai_chat", "openai_completions", "openai_embeddings"))
# A stream of frames with checksums, in which no mark can stand for an id.
_FRAMED = "bedrock_converse"
_BETA, _WISH = b"anthropic-beta", b"x-weighbridge-cache"

# What is asked: digest of the body, and the template, path, version and barred places that go with it.
_At = tuple[bytes, int, str, bytes | None, frozenset[int] | None]


class Rooms(Protocol):
    """The pipeline, as far as this needs it."""

    @property
    def journal(self) -> Journal:
        """Files the call."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Holds what the call might have needed."""
        ...

    @property
    def head(self) -> AnswerHead:
        """Writes our header lines."""
        ...


class Ready(msgspec.Struct, frozen=True):
    """An answer, ready to be given."""

    answer: CachedAnswer
    made: bytes
    size: int
    facts: AnswerFacts


class _Answered:
    """What comes back where nobody is asked, as far as limits are told with it."""

    def __init__(self, block: bytes) -> None:
        self.headers: Headers = {}
        self.block: bytes | None = block


class Quick:
    """Remembers which requests have which key, and answers that can be given at once.

    Args:
        store: Where answers are.
        ttl_s: How long an answer is one to its own question.
    """

    def __init__(self, store: AnswerStore, ttl_s: float) -> None:
        self._store = store
        self._ttl_s = ttl_s
        self._keys: dict[_At, tuple[ExchangeRecord, bytes]] = {}
        self._ready: dict[tuple[bytes, bool], Ready] = {}
        # Answers in which the rules of a plan have found nothing.
        self._seen: dict[tuple[bytes, int, bytes], tuple[GuardPlan, CachedAnswer]] = {}

    def learn(self, call: Call, request: Request, course: Course, key: bytes) -> None:
        """Remember the key of a request that may come again byte for byte."""
        if not course.guard.request_active:
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            self._keys[_at(call, request, course)] = course.template, key

    def saw(self, call: Call, request: Request, course: Course, answer: CachedAnswer) -> None:
        """Remember that the rules have looked at an answer to a request and found nothing in either."""
        record, guard = call.record, course.guard
        if record is None or not (guard.response_active and guard.steady):
            return
        if record.verdict == "allow" and not record.guard_events and record.coverage == 1.0:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen[answer.key, id(guard), _digest(request)] = guard, answer

    async def give(self, call: Call, request: Request, course: Course, rooms: Rooms, now_s: int) -> Ready | None:
        """Give a call its answer; ``None``, and nothing is done, where there is none or there is more to it."""
        if course.guard.request_active or _WISH in call.incoming.headers:
            return None
        known = self._keys.get(_at(call, request, course))
        if known is None or known[0] is not course.template:
            return None
        answer = await self._store.get(known[1])
        if answer is None or answer.stored_s + self._ttl_s <= now_s:
            return None
        return self.hand(call, request, course, rooms, Served(answer=answer), now_s)

    def hand(
        self, call: Call, request: Request, course: Course, rooms: Rooms, served: Served, now_s: int
    ) -> Ready | None:
        """Give a call an answer that is at hand, after the rules on its request; ``None`` as of :meth:`give`."""
        answer, journal = served.answer, rooms.journal
        same = answer.dialect == call.dialect.name and answer.stream == request.stream
        if not same or answer.policy_revision != course.guard.revision or course.template.capture:
            return None
        if call.masks or not self._may_pass(request, course.guard, answer):
            return None
        ready = self._made(call, request, answer)
        if ready is None:
            return None
        took_ms = (journal.now_ns() - call.incoming.received_ns) / 1e6
        told = CacheRecord(
            origin=answer.exchange_id,
            partition=answer.partition,
            similarity=served.similarity,
            chance=served.chance,
            age_s=max(0, now_s - answer.stored_s),
            saved_nanousd=answer.cost_nanousd,
            saved_ms=max(0.0, answer.duration_ms - took_ms),
        )
        noted = course.ordinary
        if isinstance(noted, Noted) and served.how == "hit-exact" and _nothing_more(call, request):
            top = _top(rooms, call, JSON)
            filed = journal.file_given(call, noted.given, told, ready.facts, ready.size)
            template = noted.given.template
            shown = rooms.head.constant(template, ready.facts.model_served or template.model_requested, 0)
            body = poured(ready.made, filed.id, now_s)
            call.reply.send(200, top + rooms.head.encode(filed.id, filed.overhead_ms, shown, 0), body)
        else:
            record = journal.record(call)
            record.cache, record.cached = served.how, [told]
            _answer(rooms, call, request, record, ready, now_s)
        return ready

    def _may_pass(self, request: Request, guard: GuardPlan, answer: CachedAnswer) -> bool:
        """Whether no rule on answers has anything to say."""
        if guard.judged or guard.observes or guard.gathers:
            return False
        if not guard.response_active:
            return True
        seen = self._seen.get((answer.key, id(guard), _digest(request))) if guard.steady else None
        return seen is not None and seen[0] is guard and (seen[1] is answer or seen[1] == answer)

    def _made(self, call: Call, request: Request, answer: CachedAnswer) -> Ready | None:
        at = answer.key, request.wants_usage
        ready = self._ready.get(at)
        if ready is not None and (ready.answer is answer or ready.answer == answer):
            return ready
        if len(answer.body) > _MAX_READY_BYTES or (answer.stream and answer.dialect == _FRAMED):
            return None
        read = _streamed(call, request, answer.body) if answer.stream else _whole(call, answer.body)
        if read is None:
            return None
        body, facts = read
        names = (facts.model_served, facts.finish_reason)
        if b"\0" in body or any(len(name) > _MAX_NAME_CHARS or not name.isascii() for name in names):
            return None
        if len(self._ready) >= _MOST_READY:
            self._ready.clear()
        made = mould(body)
        # Ids are all of one length, and so are times for the next two centuries.
        ready = self._ready[at] = Ready(answer, made, len(poured(made, _SOME_ID, _SOME_TIME_S)), facts)
        return ready


def _answer(rooms: Rooms, call: Call, request: Request, record: ExchangeRecord, ready: Ready, now_s: int) -> None:
    """Give an answer to a call of which there is something to be told."""
    journal, reply = rooms.journal, call.reply
    # Nobody is asked: nothing is counted, priced or learnt from.
    call.trip = call.deployment = None
    record.usage_source = "reported"
    record.cost_nanousd = record.input_tokens = record.output_tokens = 0
    body = call.answer = poured(ready.made, record.id, now_s)
    call.filed = True
    if not request.stream:
        journal.answered(record, ready.facts)
        top = _top(rooms, call, JSON)
        journal.close(call, 200, "", body)
        reply.send(200, top + rooms.head.lines(record, record.overhead_ms, attempts=0, cost=True), body)
        return
    top = _top(rooms, call, answer_headers({b"content-type": request.stream_type or event_stream(record.dialect)}))
    record.ttft_ms = took_ms = journal.overhead_ms(call)
    # A stream's head goes before anybody reads who made it.
    reply.start(200, top + rooms.head.lines(record, took_ms, attempts=0))
    journal.answered(record, ready.facts)
    journal.close(call, 200, "", body)
    reply.finish(body)


def _top(rooms: Rooms, call: Call, block: bytes) -> bytes:
    """Give the first part of an answer's head, with how the limits stand; what the call has held it holds no more."""
    lease, call.lease = call.lease, None
    if lease is None:
        return block
    answered = _Answered(block)
    rooms.ledger.tell(call, cast("AttemptView", answered), lease)
    lease.void()
    return answered.block or block


def _whole(call: Call, body: bytes) -> tuple[bytes, AnswerFacts] | None:
    """Read a whole answer; ``None`` where it is none."""
    return None if answer_fault(call.dialect.name, body) is not None else (body, call.dialect.skim(body))


def _streamed(call: Call, request: Request, body: bytes) -> tuple[bytes, AnswerFacts] | None:
    """Read a stream, and give what its client gets of it; ``None`` where it is none."""
    reader = call.dialect.stream_reader(request, None)
    try:
        shown = reader.feed(body)
        if broke_off(call, reader):
            return None
        return shown + reader.finish(), reader.facts
    except GatewayError:
        return None


def _digest(request: Request) -> bytes:
    return blake2b(request.body, digest_size=16).digest()


def _at(call: Call, request: Request, course: Course) -> _At:
    incoming, trip = call.incoming, call.trip
    alone = request.dialect in _BODY_ALONE and not incoming.query
    path = "" if alone else f"{incoming.path}?{incoming.query}"
    barred = trip.fit.barred if isinstance(trip, Trip) else None
    return _digest(request), id(course.template), path, incoming.headers.get(_BETA), barred


def _nothing_more(call: Call, request: Request) -> bool:
    """Whether there is nothing to be told of a call but that it was answered."""
    return not request.stream and call.record is None and call.labels is None
