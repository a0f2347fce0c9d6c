"""Calls whose answers are kept: the way that they go between the pipeline's rules on requests and its provider.

rules on the request → key → store ──has it──► replay (rules on the answer, record)
                               └──not──► who asks the same? ──► follow, or wait
                                           └─ nobody ─► neighbours ─► provider ─► rules on the answer ─► store

A call that is not kept, and every call of an alias that has no cache, knows nothing of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import msgspec

from gateway import replay
from gateway.cache.canonical import CONVERSATIONS, PLAIN, Canonical
from gateway.cache.flights import Flight, Flights
from gateway.cache.partition import key_of
from gateway.cache.reading import Reading
from gateway.cache.relaying import Relaying
from gateway.cache.renewal import event_stream
from gateway.core.cache_rules import CacheRules
from gateway.core.cache_told import CacheCounts
from gateway.core.cached import AnswerStore, CachedAnswer, Lease, Selector, Served
from gateway.core.call import Call
from gateway.core.errors import Blocked, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.exchange import Deployment, Principal, Request
from gateway.core.record import CacheRecord, ExchangeRecord
from gateway.course import Course, Way
from gateway.keeping import Partitions, Terms, kept
from gateway.outliving import Leaders
from gateway.outliving import Rooms as Outliving
from gateway.quick import Quick
from gateway.realtime.rooms import Rooms as Talking
from gateway.realtime.seat import seated
from gateway.travel import Rooms as Travelling
from gateway.travel import travel
from gateway.upstream.attempt import Attempt

_HEADER = b"x-weighbridge-cache"


class Rooms(Talking, Travelling, Outliving, replay.Rooms, Protocol):
    """The pipeline, as far as calls whose answers are kept need it."""

    def end_ordinary(self, call: Call, request: Request, course: Course, attempt: Attempt) -> bool:
        """End a call to which nothing happened."""
        ...


class Miss(msgspec.Struct, kw_only=True):
    """A call whose answer is not at hand, on its way to a provider; for who looks for answers to questions like it.

    Attributes:
        rooms: The pipeline; its journal has the call's record.
        document: As admitted.
        question: What was read of it; the conversation is there where ``read`` was asked for.
        key: Of its answer.
        partition: Who shares exact answers to it; see :meth:`Answers.partition` for who shares others.
        notes: Whatever they want to find again when the answer is there.
    """

    rooms: Rooms
    call: Call
    request: Request
    course: Course
    document: Any
    question: Canonical
    key: bytes
    partition: str
    notes: Any = None


class Neighbours(Protocol):
    """Looks for answers to questions that are like one; whoever does this owns its own tasks."""

    async def find(self, miss: Miss) -> Served | None:
        """Look for an answer that serves. What is not to delay the call is begun here, and not waited for."""
        ...

    def given(self, miss: Miss) -> None:
        """The call was given what :meth:`find` has found, and its client has it."""
        ...

    def over(self, miss: Miss, answer: CachedAnswer | None) -> None:
        """The call was asked upstream and is over; its client has the answer. Not told where :meth:`find` gave it.

        Args:
            miss: As :meth:`find` was given it.
            answer: That was kept: this puts it into the store again with its vector. ``None``: it was not kept.
        """
        ...

    async def close(self) -> None:
        """Let go of what is under way."""
        ...


class Answers:
    """Knows whose answers are kept, and gives them; a :class:`gateway.course.Ways`.

    Args:
        rules: Which, how long, for whom.
        store: Where they are.
        unix_s: The present.
        counts: Counts what comes of it.
        neighbours: Looks for answers to questions that are alike, where that is wanted.
        relaying: Knows the streams that are under way, here and where others share the store.
    """

    def __init__(
        self,
        rules: CacheRules,
        store: AnswerStore,
        unix_s: Callable[[], int],
        counts: CacheCounts,
        neighbours: Neighbours | None = None,
        *,
        relaying: Relaying,
    ) -> None:
        self.rules = rules
        self.store = store
        self.counts = counts
        self.neighbours = neighbours
        self._unix_s = unix_s
        self.relaying, self._flights = relaying, relaying.flights
        self._leaders = Leaders()
        self._quick = Quick(store, rules.exact.ttl_s)
        self._reading = Reading(rules.exact)
        self.partition = Partitions().find

    def find(self, request: Request, principal: Principal, template: ExchangeRecord, to: Deployment) -> Way | None:
        """Give the way of a caller's calls; those whose answers are kept are a miss until they are not."""
        if request.duplex:
            return seated
        kept = request.dialect in CONVERSATIONS or request.dialect in PLAIN
        # What the caller's own credential opens is that caller's alone.
        if not kept or principal.inner or request.provider or to.credential is None or request.describes:
            return None
        if template.alias in self.rules.without:
            return None
        template.cache = "miss"
        return self.answered

    async def answered(self, call: Call, request: Request, course: Course, rooms: Rooms) -> None:
        """Answer a call whose answer may be at hand, or may be kept."""
        if await self._at_once(call, request, course, rooms):
            return
        document = request.document
        if course.guard.request_active:
            course, document = await rooms.admit(call, request, course)
        wish = call.incoming.headers.get(_HEADER, b"").lower()
        question = _NOT_ASKED
        if wish != b"off" and course.way is not None:
            question = self._reading.question(call, request, document, alike=self.neighbours is not None)
        if question.unfit:
            rooms.journal.record(call).cache = "off"
            self.counts.count(f"unfit_{question.unfit}")
            await _asked(rooms, call, request, course, document)
            return
        call.sought = True
        shared = self.partition(call, course, self.rules.exact.scope)
        key = key_of(shared, course.guard.revision, question.digest)
        self._quick.learn(call, request, course, key)
        miss = Miss(
            rooms=rooms,
            call=call,
            request=request,
            course=course,
            document=document,
            question=question,
            key=key,
            partition=shared,
        )
        if wish == b"refresh":
            await self._miss(miss)
        elif not await self._hit(miss):
            await self._shared(miss)

    async def _at_once(self, call: Call, request: Request, course: Course, rooms: Rooms) -> bool:
        """Give an answer where that is all there is to do."""
        ready = await self._quick.give(call, request, course, rooms, self._unix_s())
        if ready is None:
            return False
        self._count(Served(answer=ready.answer))
        return True

    # --- at hand

    async def _hit(self, miss: Miss) -> bool:
        """Give the answer that is in the store; false where there is none."""
        answer = await self.store.get(miss.key)
        if answer is None or self._old(answer):
            return False
        return await self._give(miss, Served(answer=answer))

    def _old(self, answer: CachedAnswer) -> bool:
        """Whether it is no answer to its own question any more; it may be kept for longer, as one to others."""
        return answer.stored_s + self.rules.exact.ttl_s <= self._unix_s()

    async def _give(self, miss: Miss, served: Served) -> bool:
        """Give an answer; false where it turns out to be none, and the call goes on as if it had not been there."""
        answer, call, rooms, now_s = served.answer, miss.call, miss.rooms, self._unix_s()
        if answer.policy_revision != miss.course.guard.revision or answer.stream != miss.request.stream:
            return False
        if self._quick.hand(call, miss.request, miss.course, rooms, served, now_s) is not None:
            self._count(served)
            return True
        chat = self._chat(miss, answer.dialect)
        played = replay.begin(rooms, call, miss.request, miss.course, miss.document, how=served.how)
        record = rooms.journal.record(call)
        record.cached = [replay.told(rooms, call, served, now_s)]
        try:
            replay.feed(played, answer, chat, record.id, now_s)
            await replay.finish(rooms, played)
        except Blocked:
            # Whoever asks next is not to be given it either.
            await self._drop(answer)
            raise
        except (InvalidAnswer, StreamBroken, StreamFailed):
            await self._drop(answer)
            if call.reply.started or call.filed:
                raise
            played.undo()
            return False
        self._quick.saw(call, miss.request, miss.course, answer)
        self._count(served)
        return True

    def _chat(self, miss: Miss, dialect: str) -> Any:
        return self._reading.chat(miss.call, miss.request, miss.document, miss.question, dialect)

    def _count(self, served: Served) -> None:
        self.counts.count(served.how.replace("-", "_"))
        self.counts.saved_nanousd += served.answer.cost_nanousd or 0

    async def _drop(self, answer: CachedAnswer) -> None:
        self.counts.count("poisoned")
        await self.store.drop(Selector(key=answer.key), dry_run=False)

    # --- asked for by somebody else

    async def _shared(self, miss: Miss) -> None:
        """Let others who ask the same wait for this call, or let it wait for them."""
        wait_s = self.rules.exact.wait_s
        if not wait_s:
            await self._miss(miss)
            return
        lease = await self.store.lead(miss.key, miss.course.deployment.timeouts.total_s)
        if lease is not None:
            await self._leaders.lead(miss.key, miss.rooms, miss.call, self._lead(miss, lease))
        elif not await self._joined(miss, wait_s):
            await self._miss(miss)

    async def _lead(self, miss: Miss, lease: Lease) -> None:
        """Ask for all who ask the same; for those that wait also when this one's client leaves."""
        try:
            with _passed_on(self.relaying, self._leaders, miss):
                await self._miss(miss)
        finally:
            self._leaders.over(miss.key, miss.call)
            await lease.release()

    async def _joined(self, miss: Miss, wait_s: float) -> bool:
        """Take part in what somebody else has asked for; false where nothing came of that."""
        with self._leaders.waiting(miss.key):
            if miss.request.stream:
                with self.relaying.joining(miss.key) as joined:
                    answer, flight = None, self._flights.find(miss.key)
                    if flight is None:
                        answer, flight = await joined.first(self.store.wait(miss.key, wait_s))
                    if flight is not None:
                        return await self._follow(miss, flight, wait_s)
            else:
                answer = await self.store.wait(miss.key, wait_s)
        if answer is None or self._old(answer):
            self.counts.count("waited_in_vain")
            return False
        return await self._give(miss, Served(answer=answer))

    async def _follow(self, miss: Miss, flight: Flight, wait_s: float) -> bool:
        """Give the call a stream while it runs for another."""
        call, rooms, now_s = miss.call, miss.rooms, self._unix_s()
        chat = self._chat(miss, flight.dialect)
        played = replay.begin(rooms, call, miss.request, miss.course, miss.document, how="hit-exact")
        record = rooms.journal.record(call)
        record.cached = [told := CacheRecord(origin=flight.origin, partition=miss.partition, age_s=0)]
        follower = replay.follow(played, flight, chat, record.id, now_s)
        late = asyncio.get_running_loop().call_later(wait_s, follower.late)
        try:
            await replay.finish(rooms, played)
        except (InvalidAnswer, StreamBroken, StreamFailed):
            if call.reply.started or call.filed:
                raise
            played.undo()
            return False
        finally:
            late.cancel()
            follower.cancel()
        self.counts.count("hit_exact")
        self.counts.saved_nanousd += told.saved_nanousd or 0
        return True

    # --- not at hand

    async def _miss(self, miss: Miss) -> None:
        """Ask for the answer, unless an answer to a question like it serves; keep what comes."""
        neighbours = self.neighbours
        if neighbours is not None:
            served = await neighbours.find(miss)
            if served is not None and await self._give(miss, served):
                neighbours.given(miss)
                return
        self.counts.count("miss")
        request, call = miss.request, miss.call
        flight = Flight(request.dialect, event_stream(request.dialect))
        if request.stream:
            request.keeps, flight.origin = flight.opened, miss.rooms.journal.record(call).id
            self._flights.begin(miss.key, flight)
        answer: CachedAnswer | None = None
        attempt: Attempt | None = None
        try:
            going, attempt = await _sent(miss.rooms, call, request, miss.course, miss.document)
            try:
                await _ended(miss.rooms, call, request, going, attempt)
            finally:
                _told(self._flights, miss, flight, attempt)
            answer = self._kept(miss, going, attempt)
            if answer is not None:
                # Before others may ask; where neighbours are looked for, once more with its vector.
                await self.store.put(answer)
        finally:
            self._flights.end(miss.key, flight, whole=False)
            if neighbours is not None:
                neighbours.over(miss, answer)

    def _kept(self, miss: Miss, course: Course, attempt: Attempt) -> CachedAnswer | None:
        """Make of an answer one that is kept; ``None``, and why is counted, where it is none."""
        rule = self.rules.exact
        terms = Terms(miss.key, miss.partition, rule, self._unix_s())
        made = kept(miss.call, miss.request, (miss.course, course), attempt, terms)
        self.counts.count("stored" if isinstance(made, CachedAnswer) else f"refused_{made}")
        return made if isinstance(made, CachedAnswer) else None


_NOT_ASKED = Canonical(unfit="unwanted")


async def _asked(rooms: Rooms, call: Call, request: Request, course: Course, document: Any) -> None:
    course, attempt = await _sent(rooms, call, request, course, document)
    await _ended(rooms, call, request, course, attempt)


async def _sent(rooms: Rooms, call: Call, request: Request, course: Course, document: Any) -> tuple[Course, Attempt]:
    """Ask providers, as for every call."""
    if call.trip is not None:
        return await travel(rooms, call, request, course, document)
    attempt = rooms.send(call, request, course, document)
    await attempt
    return course, attempt


def _passed_on(relaying: Relaying, leaders: Leaders, miss: Miss) -> AbstractContextManager[None]:
    """Let other workers follow a stream; sealed, where rules may take out of it what is to lie in no store."""
    if not miss.request.stream:
        return nullcontext()
    guard = miss.course.guard
    return relaying.leading(miss.key, leaders.waiting, sealed=bool(guard.response_active or guard.judged))


def _told(flights: Flights, miss: Miss, flight: Flight, attempt: Attempt) -> None:
    """Let those who follow a stream end with it; what it cost, they have saved."""
    if miss.request.stream:
        record = miss.rooms.journal.record(miss.call)
        flight.cost_nanousd, flight.took_ms = record.cost_nanousd, (attempt.ended_ns - attempt.sent_ns) / 1e6
    whole = attempt.reader is None or attempt.gathered is not None
    flights.end(miss.key, flight, whole=whole and not attempt.over.error)


async def _ended(rooms: Rooms, call: Call, request: Request, course: Course, attempt: Attempt) -> None:
    if not rooms.end_ordinary(call, request, course, attempt):
        await rooms.end(call, request, course, attempt)
