"""Owns the copies of calls that are asked of other deployments: which calls, how many at once, and when that ends.

A call is drawn by chance once it has its answer, and copied when its client has it too. From then on nothing that
becomes of the copy has anything to do with the call.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random, SystemRandom
from typing import Any

import msgspec

from gateway.app.copies import Copy, Held, ask, call_of, compare
from gateway.carried import Carried
from gateway.clients.clock import Clock
from gateway.config.settings import Settings
from gateway.core.call import Call
from gateway.core.errors import Draining, TotalTimeout
from gateway.core.exchange import Deployment, MirrorRule, Request
from gateway.core.mirror_told import LIKENESSES, MirrorCounts
from gateway.core.record import ExchangeRecord
from gateway.course import Course, Known
from gateway.guards.sessions import Sessions
from gateway.hedging import can_be_asked_twice
from gateway.moves import Rooms, Served
from gateway.pipeline import Pipeline
from gateway.recording.capture import Capture
from gateway.recording.journal import Filing, Journal
from gateway.recording.likeness import given_by
from gateway.recording.metrics import Metrics
from gateway.recording.tries import MIRROR
from gateway.wire import openai_responses
from gateway.wire.bridge import bridge_to

log = logging.getLogger("weighbridge.mirrors")
# What has been stopped gets so long to say what it cost.
STOP_S = 5.0
# Calls that kept answers were served to, asked as well: where an alias would stand, and what they are called.
_CHECKS, _CHECKS_SHOWN = "", "(cache)"
_COMPARED = frozenset({"chat", "text_completion"})


class Line:
    """The copies of one alias' calls: those on their way, and those that wait.

    Args:
        rule: How many there may be.
        counts: What comes of them.
        pipeline: Answers the calls, and their copies.
        journal: Makes a journal whose records somebody takes.
    """

    def __init__(
        self, rule: MirrorRule, counts: MirrorCounts, pipeline: Pipeline, journal: Callable[[Held], Journal]
    ) -> None:
        self.rule = rule
        self.counts = counts
        self.pipeline = pipeline
        self.waiting: deque[Copy] = deque()
        self.running: set[asyncio.Task[None]] = set()
        self.open = True
        self._journal = journal
        # What copies say and are asked taints nobody's session.
        self._sessions = Sessions()
        self._sessions.aside = pipeline.sessions.aside

    def rooms(self, held: Held) -> Pipeline:
        """Give the pipeline for one copy: the same, with a record of its own."""
        pipeline, journal = self.pipeline, self._journal(held)
        courses = msgspec.structs.replace(pipeline.courses, journal=journal, known=Known())
        return msgspec.structs.replace(pipeline, courses=courses, journal=journal, sessions=self._sessions)

    def close(self) -> None:
        """Take no more, and let go of those that wait."""
        self.open = False
        self.counts.count("stopped", len(self.waiting))
        self.waiting.clear()
        self.counts.waiting = 0

    def stop(self) -> None:
        """End those that are on their way."""
        for asking in self.running:
            asking.cancel(Draining())


class Mirrors:
    """Owns all copies of a worker; a :class:`gateway.moves.Copier`.

    Args:
        filing: Takes their records.
        metrics: Counts them.
        clock: The present.
        new_id: Makes an exchange id for a millisecond since 1970.
        random: Draws the calls.
    """

    def __init__(
        self,
        filing: Filing,
        metrics: Metrics,
        clock: Clock,
        new_id: Callable[[int], str],
        random: Random | None = None,
    ) -> None:
        self._filing = filing
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id
        self._random = random or SystemRandom()
        self._lines: dict[str, Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def install(self, pipeline: Pipeline, settings: Settings) -> None:
        """Copy the calls that a configuration wants copied, through its pipeline; end the copies of the one before."""
        self.drain()
        for line in self._lines.values():
            line.stop()
        capture = Capture(bodies=settings.capture.bodies, max_body_bytes=settings.capture.max_body_bytes)

        def journal(held: Held) -> Journal:
            return Journal(held, held, self._clock, self._new_id, capture, settings.config_hash)

        self._lines = {}
        for entry in settings.mirrors:
            rule = settings.routes[entry.alias].mirror
            if rule is not None:
                counts = self._metrics.mirror(entry.alias, f"{entry.provider}/{entry.model}")
                self._lines[entry.alias] = Line(rule, counts, pipeline, journal)
        semantic = settings.cache and settings.cache.semantic
        if semantic and semantic.mode == "enforce":
            rule = MirrorRule(sample=semantic.compare_sample, concurrency=2)
            self._lines[_CHECKS] = Line(rule, self._metrics.mirror(_CHECKS_SHOWN, "served"), pipeline, journal)

    @property
    def under_way(self) -> int:
        """How many copies are on their way or wait."""
        return len(self._tasks) + sum(len(line.waiting) for line in self._lines.values())

    def draw(self, rooms: Rooms, call: Call, request: Request, course: Course, document: Any) -> None:
        """Decide whether a call that has its answer is one to be copied: see :class:`gateway.moves.Copier`."""
        plan, attempt, trip = None if course.fork is None else course.fork.plan, call.attempt, call.trip
        line = None if plan is None else self._lines.get(plan.alias)
        if line is None or plan is None or plan.mirror is None or trip is None:
            return
        if rooms.journal is not line.pipeline.journal:
            # Of the configuration before; a pipeline whose keys alone are others has the same journal.
            return
        if course.principal.inner or attempt is None or attempt.status != 200:
            return
        if self._random.random() >= line.rule.sample:
            return
        if not can_be_copied(request, plan.mirror):
            line.counts.count("unfit")
        elif len(request.body) > line.rule.max_body_bytes:
            line.counts.count("too_large")
        else:
            copy = _copy_of(Served(rooms, call, request, course, document), plan.mirror)
            trip.after = partial(self._over, line, copy)

    def check(self, served: Served, then: Callable[[str, bytes], None], *, always: bool = False) -> None:
        """Decide whether a call that a kept answer was served to is asked too: see :class:`gateway.moves.Copier`."""
        line, course, request = self._lines.get(_CHECKS), served.course, served.request
        if line is None or served.rooms.journal is not line.pipeline.journal or course.principal.inner:
            return
        if not always and self._random.random() >= line.rule.sample:
            return
        if not can_be_copied(request, course.deployment):
            line.counts.count("unfit")
            return
        copy = _copy_of(served, course.deployment)
        copy.then = then
        self._over(line, copy, served.call)

    def drain(self) -> None:
        """Take no more copies; those on their way go on."""
        for line in self._lines.values():
            line.close()

    async def close(self) -> None:
        """End all copies, and wait until their records are filed."""
        self.drain()
        for line in self._lines.values():
            line.stop()
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _over(self, line: Line, copy: Copy, call: Call) -> None:
        """A call is recorded; in the next turn of the loop its client has its last byte."""
        asyncio.get_running_loop().call_soon(self._take, line, copy, call)

    def _take(self, line: Line, copy: Copy, call: Call) -> None:
        real, counts = copy.real, line.counts
        if real.status != 200 or real.error_code or real.verdict == "block":
            # There is nothing that a copy could be compared with.
            return
        if not line.open:
            counts.count("stopped")
        elif len(line.running) >= line.rule.concurrency and len(line.waiting) >= line.rule.queue:
            counts.count("dropped")
        else:
            copy.given = given_by(call, line.rule.max_body_bytes)
            line.waiting.append(copy)
            self._go_on(line)

    def _go_on(self, line: Line) -> None:
        """Begin as many of those that wait as there is room for."""
        while line.waiting and len(line.running) < line.rule.concurrency:
            self._begin(line, line.waiting.popleft())
        line.counts.waiting, line.counts.running = len(line.waiting), len(line.running)

    def _begin(self, line: Line, copy: Copy) -> None:
        loop, held = asyncio.get_running_loop(), Held()
        rooms = line.rooms(held)
        call = call_of(copy, rooms.journal.now_ns())
        asking = loop.create_task(_ask(rooms, copy, call))
        line.running.add(asking)
        task = loop.create_task(self._run(line, copy, call, held, asking))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, line, asking, held))

    async def _run(self, line: Line, copy: Copy, call: Call, held: Held, asking: asyncio.Task[None]) -> None:
        loop, rule = asyncio.get_running_loop(), line.rule
        late = loop.call_later(rule.timeout_s, asking.cancel, TotalTimeout("The copy took longer than it may."))
        try:
            await asyncio.wait({asking})
            if not asking.cancelled() and (bug := asking.exception()) is not None:
                raise bug
            if not held.there and not call.handed_on:
                # It was ended before its first step.
                line.counts.count("stopped")
                return
            # Those who only observe may still be asked.
            record = await held.record()
            await compare(copy, call, record, rule.max_body_bytes)
        finally:
            asking.cancel()
            late.cancel()
            held.when_there(partial(self._file, line))

    def _file(self, line: Line, record: ExchangeRecord) -> None:
        counts = line.counts
        counts.count(_outcome(record))
        counts.cost_nanousd += record.cost_nanousd or 0
        for made in record.mirrors:
            counts.real_nanousd += made.real_cost_nanousd or 0
            for likeness in LIKENESSES:
                counts.compare(likeness, same=getattr(made, f"same_{likeness}"))
        self._metrics.aside(record.attempts, MIRROR)
        self._filing.append(record)

    def _ended(self, line: Line, asking: asyncio.Task[None], held: Held, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        line.running.discard(asking)
        if not task.cancelled() and (bug := task.exception()) is not None:
            # The type alone: a message may quote what was inspected.
            log.error("bug: %s in a copy of a call", type(bug).__name__)
            line.counts.count("failed", int(not held.there))
        self._go_on(line)


def _copy_of(of: Served, to: Deployment) -> Copy:
    call = of.call
    return Copy(
        to=to,
        incoming=call.incoming,
        request=of.request,
        dialect=call.dialect,
        labels=call.labels,
        course=of.course,
        document=of.document,
        masks=call.masks,
        # A call with a record is none of the ordinary ones: these have nobody who is told.
        real=of.rooms.journal.record(call),
    )


async def _ask(rooms: Pipeline, copy: Copy, call: Call) -> None:
    """Ask, in a task, which cannot wait for a provider by itself."""
    await Carried(ask(rooms, copy, call), None, rooms.loop)


def _outcome(record: ExchangeRecord) -> str:
    if record.verdict == "block":
        return "blocked"
    if record.error_code == Draining.code:
        return "stopped"
    return "failed" if record.error_code else "answered"


def can_be_copied(request: Request, to: Deployment) -> bool:
    """Whether a call can be asked of somebody else too, and its answer be compared."""
    if request.operation not in _COMPARED or not can_be_asked_twice(request):
        return False
    # What is to be kept by its provider would be kept by another one as well, where that can.
    kept = request.document.get("store", request.dialect == openai_responses.DIALECT.name)
    return not kept or bridge_to(request.dialect, to) is not None
