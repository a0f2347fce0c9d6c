"""What the cache does beside a call, and after it: looked up, embedded, stored, compared; never on the call's own time.

A call that has looked for a neighbour first, and one for which that is done while its provider is asked, are one
:class:`Aside`. All of a process share one :class:`Asides`, which owns their tasks and lets only so many be under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from gateway.cache.said import said_in, said_of
from gateway.cache.semantic import Found, Question, Semantic
from gateway.core.cached import AnswerStore, CachedAnswer, Served
from gateway.core.record import CacheRecord

log = logging.getLogger("weighbridge.cache")
# Calls for which something is done beside them; the answers that wait to be stored are in memory.
MOST = 256
# A call that waits for a neighbour goes on without one after this time.
LOOK_S = 0.25
# What is under way at the end gets so long.
CLOSE_S = 2.0


class Asides:
    """Owns what is done beside calls.

    Args:
        semantic: Finds neighbours.
        store: Where answers are kept.

    Attributes:
        dropped: Calls for which nothing was done, since there was too much already.
    """

    def __init__(self, semantic: Semantic, store: AnswerStore, *, most: int = MOST) -> None:
        self.semantic = semantic
        self.store = store
        self._most = most
        self._tasks: set[asyncio.Task[Any]] = set()
        self.dropped = 0

    @property
    def under_way(self) -> int:
        """How much is done at the moment."""
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """Do something beside the calls; ``None`` where there is too much already."""
        if len(self._tasks) >= self._most:
            work.close()
            self.dropped += 1
            return None
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Let what is under way end soon."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            # The type alone: a message may quote what was asked.
            log.error("bug: %s beside a call", type(bug).__name__)


class Aside:
    """One call's question, and what is done about it.

    Args:
        asides: Owns the work.
        question: The call's.
        note: Is told of the best neighbour, where that does not serve.
    """

    __slots__ = ("_asides", "_looking", "_note", "_waited", "found", "question")

    def __init__(self, asides: Asides, question: Question, note: Callable[[Found], None] | None = None) -> None:
        self._asides = asides
        self._note = note
        self.question = question
        self._looking: asyncio.Task[Any] | None = None
        # The call waits for it.
        self._waited = False
        # The best neighbour, once it is known.
        self.found: Found | None = None

    async def first(self) -> Served | None:
        """Look for a neighbour before anybody is asked, where that is worth the time; one that serves is given."""
        semantic = self._asides.semantic
        if not semantic.goes_first(self.question):
            return None
        self._looking = looking = self._asides.start(self._look(urgent=True))
        if looking is None:
            return None
        self._waited = True
        # A call's own steps are no task's, so that a time limit needs one.
        await asyncio.wait({looking}, timeout=LOOK_S)
        self._waited = False
        found = self.found
        if not looking.done():
            # It goes on beside the call.
            semantic.counts["late"] += 1
            return None
        if found is None or found.says != "hit":
            return None
        return Served(answer=found.answer, how="hit-semantic", similarity=found.similarity, chance=found.chance)

    def begin(self) -> None:
        """Somebody is asked now: look for a neighbour meanwhile, where nobody has."""
        if self._looking is None:
            self._looking = self._asides.start(self._look(urgent=False))

    def keep(self, answer: CachedAnswer) -> bool:
        """Store what came, with its embedding, and learn from it; false where that cannot be done now."""
        return self._asides.start(self._keep(answer)) is not None

    def checked(self, dialect: str, answer: bytes) -> None:
        """Learn from what was answered to a call that a neighbour's answer was served to as well.

        Args:
            dialect: Of the answer.
            answer: Whole.
        """
        if self.found is not None:
            self._asides.start(self._asides.semantic.learn(self.found, said_of(dialect, answer, stream=False)))

    async def _look(self, *, urgent: bool) -> None:
        self.found = found = await self._asides.semantic.look(self.question, urgent=urgent)
        served = self._waited and found is not None and found.says == "hit"
        if self._note is not None and found is not None and not served:
            self._note(found)

    async def _keep(self, answer: CachedAnswer) -> None:
        semantic, store, question = self._asides.semantic, self._asides.store, self.question
        if self._looking is not None:
            await asyncio.wait({self._looking})
        if await semantic.describe(question):
            described = msgspec.structs.replace(answer, fingerprint=question.asked.fingerprint, question=question.facts)
            await store.put(described, question.vector)
            semantic.kept(question)
            semantic.counts["embedded"] += 1
        else:
            # Whoever asks in the very same words is served all the same.
            await store.put(answer)
        if self.found is not None:
            await semantic.learn(self.found, said_in(answer))


def told(found: Found, now_s: float) -> CacheRecord:
    """Say for the record what a neighbour is, and what would have become of the call by it.

    Args:
        found: It did not serve, or would have.
        now_s: Unix time.
    """
    answer = found.answer
    return CacheRecord(
        origin=answer.exchange_id,
        partition=answer.partition,
        similarity=round(found.similarity, 6),
        chance=round(found.chance, 6),
        guards=list(found.failed),
        shadow=found.says,
        age_s=max(0, int(now_s) - answer.stored_s),
        saved_nanousd=answer.cost_nanousd,
        saved_ms=float(answer.duration_ms),
    )
