"""Gives a kept answer in as few steps as that takes: whole, in its own dialect, to a call to which nothing happens.

What :mod:`gateway.replay` would do for such a call comes to the same; where there is more to it, that does it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

import msgspec

from gateway.cache.renewal import mould, poured
from gateway.core.cached import AnswerStore, CachedAnswer
from gateway.core.call import Call
from gateway.core.exchange import AnswerFacts, Request
from gateway.core.record import CacheRecord
from gateway.course import Course
from gateway.recording.journal import Journal
from gateway.recording.ordinary import Noted
from gateway.wire.answer_fault import answer_fault
from gateway.wire.answer_head import JSON, AnswerHead

# Each takes some 200 bytes, or an answer.
_MOST_KEYS = 8192
_MOST_READY = 1024
_MAX_READY_BYTES = 65_536
_MAX_NAME_CHARS = 256
_SOME_ID, _SOME_TIME_S = "0" * 32, 2_000_000_000
# Dialects in which nothing beside the body says what is asked.
_BODY_ALONE = frozenset(("openai_chat", "openai_completions", "openai_embeddings"))


class Rooms(Protocol):
    """The pipeline, as far as this needs it."""

    @property
    def journal(self) -> Journal:
        """Files the call."""
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
    shown: bytes


class Quick:
    """Remembers which requests have which key, and answers that can be given at once.

    Args:
        store: Where answers are.
    """

    def __init__(self, store: AnswerStore) -> None:
        self._store = store
        self._keys: dict[tuple[bytes, int], tuple[Course, bytes]] = {}
        self._ready: dict[tuple[bytes, int], Ready] = {}

    def learn(self, call: Call, request: Request, course: Course, key: bytes) -> None:
        """Remember the key of a request that may come again byte for byte."""
        if _nothing_more(call, request, course):
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            said = blake2b(request.body, digest_size=16).digest()
            self._keys[said, id(course)] = course, key

    async def give(self, call: Call, request: Request, course: Course, rooms: Rooms, now_s: int) -> Ready | None:
        """Give a call its answer; ``None``, and nothing is done, where there is none or there is more to it."""
        noted = course.ordinary
        if not isinstance(noted, Noted) or not _nothing_more(call, request, course):
            return None
        known = self._keys.get((blake2b(request.body, digest_size=16).digest(), id(course)))
        if known is None or known[0] is not course:
            return None
        answer = await self._store.get(known[1])
        ready = None if answer is None else self._made(call, course, noted, answer, rooms)
        if ready is None:
            return None
        answer = ready.answer
        journal, incoming = rooms.journal, call.incoming
        took_ms = (journal.now_ns() - incoming.received_ns) / 1e6
        told = CacheRecord(
            origin=answer.exchange_id,
            partition=answer.partition,
            age_s=max(0, now_s - answer.stored_s),
            saved_nanousd=answer.cost_nanousd,
            saved_ms=max(0.0, answer.duration_ms - took_ms),
        )
        filed = journal.file_given(call, noted.given, told, ready.facts, ready.size)
        body = poured(ready.made, filed.id, now_s)
        call.reply.send(200, JSON + rooms.head.encode(filed.id, filed.overhead_ms, ready.shown, 0), body)
        return ready

    def _made(self, call: Call, course: Course, noted: Noted, answer: CachedAnswer, rooms: Rooms) -> Ready | None:
        at = answer.key, id(noted)
        ready = self._ready.get(at)
        if ready is not None and (ready.answer is answer or ready.answer == answer):
            return ready
        fit = not answer.stream and answer.dialect == call.dialect.name and len(answer.body) <= _MAX_READY_BYTES
        if not fit or answer.policy_revision != course.guard.revision or answer_fault(answer.dialect, answer.body):
            return None
        facts = call.dialect.skim(answer.body)
        if len(facts.model_served) > _MAX_NAME_CHARS or len(facts.finish_reason) > _MAX_NAME_CHARS:
            return None
        model = facts.model_served or noted.given.template.model_requested
        if not model.isascii():
            return None
        if len(self._ready) >= _MOST_READY:
            self._ready.clear()
        shown = rooms.head.constant(noted.given.template, model, 0)
        made = mould(answer.body)
        # Ids are all of one length, and so are times for the next two centuries.
        ready = self._ready[at] = Ready(answer, made, len(poured(made, _SOME_ID, _SOME_TIME_S)), facts, shown)
        return ready


def _nothing_more(call: Call, request: Request, course: Course) -> bool:
    """Whether all that is to be done for a call is to answer it."""
    incoming = call.incoming
    return (
        course.ordinary is not None
        and not request.stream
        and call.record is None
        and call.labels is None
        and call.lease is None
        and call.trip is None
        and not incoming.query
        and request.dialect in _BODY_ALONE
        and b"x-weighbridge-cache" not in incoming.headers
    )
