"""Counts again, when a worker begins, what the limits in its memory had counted before.

What lies in the spool is counted first, then what the trace store has beyond that: it answers once all that lay in the
spool is in it, so that each call counts once, whichever part of it was shipped when. A worker that begins waits for
that a short while, so that a budget that is used up stays so; then calls go on by what is known.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from gateway.accounting.limits import Limits
from gateway.accounting.rebuilding import Restorer, edges_of, periods_of
from gateway.app.build import Shared
from gateway.clients.clock import Clock
from gateway.config.settings import Settings
from gateway.core.limits import Budget
from gateway.core.recorded import RECORDED_FILE, WANTED_FILE, Recorded, Tally, Used, Wanted
from gateway.recording.leftover import note, read_left

log = logging.getLogger("weighbridge.limits")
# A worker that begins does not wait longer for both; what is left of it then is counted beside calls.
FIRST_S = 5.0
EVERY_S = 0.25
# After so long without an answer the log says so.
_PATIENCE_S = 15.0
_AT_ONCE = 200

Budgets = Callable[[], Mapping[str, Budget]]


class Inquiry:
    """A question to the trace store, left as a file, and its answer, found as one. Both block.

    Args:
        run_dir: Where they lie.
        wanted: What is asked for.
    """

    def __init__(self, run_dir: Path, wanted: Wanted) -> None:
        self.wanted = wanted
        self._run = run_dir

    def leave(self) -> None:
        """Ask."""
        (self._run / RECORDED_FILE).unlink(missing_ok=True)
        path = self._run / WANTED_FILE
        draft = Path(f"{path}.new")
        draft.write_bytes(msgspec.json.encode(self.wanted))
        draft.replace(path)

    def withdraw(self) -> None:
        """Ask no more."""
        for name in (RECORDED_FILE, WANTED_FILE):
            (self._run / name).unlink(missing_ok=True)

    def answer(self) -> Recorded | None:
        """The answer, once; ``None`` while there is none to this question."""
        path = self._run / RECORDED_FILE
        try:
            recorded = msgspec.json.decode(path.read_bytes(), type=Recorded)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        if recorded.asked != self.wanted.asked:
            return None
        path.unlink(missing_ok=True)
        return recorded


class Rebuilding:
    """One worker's start.

    Args:
        settings: With the limits, and where the spool is.
        limits: Gives those in force.
        budgets: Gives those that keys have of their own.
        clock: Tells the time.
        first_s: How long calls wait for it.
    """

    def __init__(
        self,
        settings: Settings,
        limits: Callable[[], Limits],
        budgets: Budgets,
        clock: Clock,
        *,
        first_s: float = FIRST_S,
    ) -> None:
        self._spool = settings.spool.dir
        self._stored = settings.operator is not None
        self._limits = limits
        self._budgets = budgets
        self._clock = clock
        self._first_s = first_s
        # What gateways count together, their store remembers; several workers that do not count nothing.
        alone = settings.state is None and not settings.counted_apart
        periods = periods_of(settings.limits, budgets().values()) if alone else ()
        self._edges = edges_of(periods, clock.unix_us())
        self.needed = len(self._edges) > 1
        tags = any("tag" in {rule.scope, *rule.match} for rule in settings.limits)
        segments = note(self._spool) if self.needed else {}
        wanted = Wanted(asked=os.urandom(8).hex(), edges=self._edges, tags=tags, segments=segments)
        self._inquiry = Inquiry(settings.home / "run", wanted)
        self._spooled = Tally(self._edges, tags=tags)
        self._counting: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Count what lies in the spool, leave the question for the store, and give it a while to answer."""
        if not self.needed:
            return
        await asyncio.to_thread(self._inquiry.leave if self._stored else self._inquiry.withdraw)
        self._counting = asyncio.get_running_loop().create_task(self._count())
        await asyncio.wait({self._counting}, timeout=self._first_s)

    async def run(self) -> None:
        """Go on with what was not counted yet, until it is."""
        if self._counting is None:
            return
        try:
            await self._counting
        finally:
            self._counting.cancel()

    async def _count(self) -> None:
        await self._count_spooled()
        if self._stored:
            await self._count_stored()

    async def _count_spooled(self) -> None:
        await asyncio.to_thread(self._read)
        await self._restore(self._spooled.all())
        if self._spooled.cut:
            log.warning("limits: the spool has more callers and models than can be counted again; some are left out")

    async def _count_stored(self) -> None:
        began_ns, told = self._clock.monotonic_ns(), False
        while (recorded := await asyncio.to_thread(self._inquiry.answer)) is None:
            if not told and self._clock.monotonic_ns() - began_ns > _PATIENCE_S * 1e9:
                told = True
                log.warning("limits: the trace store has not said yet what was used before; calls go on without that")
            await self._clock.sleep(EVERY_S)
        stored = Tally(self._edges, tags=self._inquiry.wanted.tags)
        for used in recorded.used:
            stored.add(used)
        await self._restore(stored.beyond(self._spooled))
        if recorded.cut:
            log.warning("limits: the store has more callers and models than can be counted again; the dearest are")
        log.info("limits: what was used before is counted, %d groups of it", len(stored))
        self._spooled = Tally(self._edges, tags=False)

    async def _restore(self, used: Iterable[Used]) -> None:
        restorer = Restorer(self._limits(), self._edges, self._budgets(), self._clock.unix_us())
        for number, each in enumerate(used):
            restorer.restore(each)
            if number % _AT_ONCE == _AT_ONCE - 1:
                # Calls have their turn.
                await asyncio.sleep(0)

    def _read(self) -> None:
        for line in read_left(self._spool, self._inquiry.wanted.segments):
            self._spooled.add_line(line)


async def begin_rebuilding(shared: Shared, settings: Callable[[], Settings]) -> Rebuilding:
    """Begin, with what outlives a reload and the settings in force."""
    rebuilding = Rebuilding(settings(), lambda: shared.limits_for(settings()), shared.keyring.budgets, shared.clock)
    await rebuilding.begin()
    return rebuilding
