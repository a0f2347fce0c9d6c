"""Looks for answers to questions that are alike, for calls whose answers are kept; see :mod:`gateway.answering`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from gateway.answering import Miss
from gateway.cache.asides import Aside, Asides, told
from gateway.cache.fingerprint import Ways
from gateway.cache.semantic import Found, Question
from gateway.core.cache_rules import Scope
from gateway.core.cached import CachedAnswer, Served
from gateway.core.call import Call
from gateway.course import Course
from gateway.moves import Served as Given

_HEADER, _REFRESH = b"x-weighbridge-cache", b"refresh"
_BETA = b"anthropic-beta"
# What came of a neighbour that was not served, or would have been, as counts call it.
_COUNTED = {"hit": "shadow_hit", "guards": "near_guards", "promise": "near_promise"}

Partition = Callable[[Call, Course, Scope], str]


class Nearby:
    """A :class:`gateway.answering.Neighbours`.

    Args:
        asides: Does the work, beside the calls.
        partition: Gives whose a call is.
        count: Counts what comes of it.
        now_s: Unix time.
    """

    def __init__(
        self, asides: Asides, partition: Partition, count: Callable[[str], None], now_s: Callable[[], float]
    ) -> None:
        self._asides = asides
        self._partition = partition
        self._count = count
        self._now_s = now_s

    async def find(self, miss: Miss) -> Served | None:
        """Look for an answer that serves; what is not to delay the call is begun here, and not waited for."""
        question = self._question(miss)
        if question is None:
            return None
        miss.notes = aside = Aside(self._asides, question, partial(self._note, miss))
        # Who wants a fresh answer is given none, but others may be given theirs.
        fresh = miss.call.incoming.headers.get(_HEADER, b"").lower() == _REFRESH
        served = None if fresh else await aside.first()
        if served is None:
            aside.begin()
        return served

    def given(self, miss: Miss) -> None:
        """The call was given what was found: now and then it is asked all the same, for comparison."""
        mirrors, aside = miss.rooms.mirrors, miss.notes
        if mirrors is None or not isinstance(aside, Aside):
            return
        given = Given(miss.rooms, miss.call, miss.request, miss.course, miss.document)
        mirrors.check(given, aside.checked, always=self._asides.semantic.doubts(aside.question))

    def over(self, miss: Miss, answer: CachedAnswer | None) -> None:
        """The call has its answer: keep it, where it is one to be kept."""
        aside = miss.notes
        if answer is None or not isinstance(aside, Aside):
            return
        rule = self._asides.semantic.rule
        lasting = max(answer.expires_s, answer.stored_s + int(rule.ttl_s))
        aside.keep(msgspec.structs.replace(answer, partition=aside.question.partition, expires_s=lasting))

    async def close(self) -> None:
        """Let go of what is under way."""
        await self._asides.close()

    def _question(self, miss: Miss) -> Question | None:
        chat, call, course = miss.question.chat, miss.call, miss.course
        # What was masked may be another thing in each call.
        if chat is None or call.masks or not self._asides.store.searches:
            return None
        semantic = self._asides.semantic
        whose = self._partition(call, course, semantic.rule.scope)
        return semantic.question(chat, whose, course.guard.revision, _ways(miss))

    def _note(self, miss: Miss, found: Found) -> None:
        """Put a neighbour on record that was not served, or would have been."""
        self._count(_COUNTED[found.says])
        call = miss.call
        if not call.filed and not call.handed_on:
            miss.rooms.journal.record(call).cached = [told(found, self._now_s())]


def _ways(miss: Miss) -> Ways:
    """How the call wants its answer told, where one that is told otherwise cannot do; as for the very same question."""
    request, headers = miss.request, miss.call.incoming.headers
    tells = request.wants_usage if request.stream and request.dialect == "openai_chat" else True
    return (request.stream, tells, headers.get(_BETA, b"").decode("utf-8", "replace"))
