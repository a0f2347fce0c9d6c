"""Counts again in Redis what was counted there, when it is new or has lost everything: from the trace store.

One worker does it for all, of those whose gateway has a trace store. Calls go on meanwhile by what is known.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping

from gateway.accounting.limits import Limits
from gateway.accounting.rebuilding import Restorer, edges_of, periods_of
from gateway.accounting.shared_restore import DONE, OURS, Collected, hold
from gateway.app.build import Shared
from gateway.app.counting import Counting
from gateway.app.rebuilding import Inquiry
from gateway.clients.redis_line import RedisLine, command, connect, sound
from gateway.config.settings import Settings
from gateway.core.errors import StoreUnavailable
from gateway.core.limits import Budget
from gateway.core.recorded import Recorded, Wanted
from gateway.recording.leftover import note

log = logging.getLogger("weighbridge.limits")
EVERY_S = 1.0
_ANSWER_S = 5.0
_AT_ONCE = 100


class Restoring:
    """One worker's readiness to do it.

    Args:
        settings: Gives those in force.
        shared: With the limits, the keys and the clock.
        counting: The way to the store.
    """

    def __init__(self, settings: Callable[[], Settings], shared: Shared, counting: Counting) -> None:
        self._settings = settings
        self._shared = shared
        self._counting = counting
        self._clock = shared.clock
        self._name = os.urandom(8).hex().encode()
        # The state that nothing is missing from, and when it was last seen.
        self._known = ""
        self._seen_us = 0
        self._failing = False

    async def run(self) -> None:
        """Look again and again whether something is missing, and see to it."""
        while True:
            mark, connected = self._counting.mark, self._counting.told().connected
            if connected and mark:
                await self._look(mark)
            await self._clock.sleep(EVERY_S)

    async def _look(self, mark: str) -> None:
        if mark == self._known or "-" not in mark:
            self._seen_us = self._clock.unix_us()
            return
        try:
            whole = await self._restored(mark)
        except (StoreUnavailable, TimeoutError):
            whole = False
            if not self._failing:
                log.warning("limits: what was used before cannot be counted again in Redis yet")
            self._failing = True
        if whole:
            self._known, self._failing = mark, False
            # Not at the next look only: it may be lost again before that, and what is told then is not to count twice.
            self._seen_us = self._clock.unix_us()

    async def _restored(self, mark: str) -> bool:
        """Restore what is missing, if nobody else does; says whether nothing is missing any more."""
        async with asyncio.timeout(_ANSWER_S):
            line = await connect(self._counting.access, lambda _: None)
        try:
            held = await self._hold(line)
            if held != OURS:
                return held == DONE
            made_us = int(mark.rpartition("-")[2])
            # What was told to Redis since we have last seen it whole is told again, or lost with it.
            return await self._restore(line, min(self._seen_us or made_us, made_us))
        finally:
            line.close()

    async def _hold(self, line: RedisLine, *, done: bool = False) -> int:
        async with asyncio.timeout(_ANSWER_S):
            held = sound(await line.answer(hold(self._name, done=done)))
        return held if isinstance(held, int) else 0

    async def _restore(self, line: RedisLine, until_us: int) -> bool:
        settings, shared = self._settings(), self._shared
        limits, budgets = shared.limits_for(settings), shared.keyring.budgets()
        edges = edges_of(periods_of(settings.limits, budgets.values()), until_us)
        if len(edges) > 1:
            recorded = await self._ask(line, settings, edges)
            if recorded is None:
                return False
            if recorded.cut:
                log.warning("limits: the store has more callers and models than can be counted again; the dearest are")
            collected = await self._collect(recorded, limits, edges, budgets)
            if not await self._send(line, collected):
                return False
            log.info("limits: what was used before is counted again in Redis, %d counters", len(collected))
        return await self._hold(line, done=True) == DONE

    async def _ask(self, line: RedisLine, settings: Settings, edges: tuple[int, ...]) -> Recorded | None:
        """Wait for the trace store's answer; ``None`` when another worker has taken over."""
        tags = any("tag" in {rule.scope, *rule.match} for rule in settings.limits)
        segments = await asyncio.to_thread(note, settings.spool.dir)
        wanted = Wanted(asked=os.urandom(8).hex(), edges=edges, tags=tags, segments=segments)
        inquiry = Inquiry(settings.home / "run", wanted)
        await asyncio.to_thread(inquiry.leave)
        while (recorded := await asyncio.to_thread(inquiry.answer)) is None:
            if await self._hold(line) != OURS:
                return None
            await self._clock.sleep(EVERY_S / 4)
        return recorded

    async def _collect(
        self, recorded: Recorded, limits: Limits, edges: tuple[int, ...], budgets: Mapping[str, Budget]
    ) -> Collected:
        collected = Collected(self._clock)
        restorer = Restorer(limits, edges, budgets, self._clock.unix_us(), collected.restore)
        for number, used in enumerate(recorded.used):
            restorer.restore(used)
            if number % _AT_ONCE == _AT_ONCE - 1:
                # Calls have their turn.
                await asyncio.sleep(0)
        return collected

    async def _send(self, line: RedisLine, collected: Collected) -> bool:
        """Say whether all of it was taken: not when another worker has taken over."""
        commands = collected.commands(self._name)
        for start in range(0, len(commands), _AT_ONCE):
            for text in commands[start : start + _AT_ONCE]:
                line.ask(text, lambda _: None)
            # Answers come in order: with the last one, all are there.
            async with asyncio.timeout(_ANSWER_S):
                sound(await line.answer(command(b"PING")))
            if await self._hold(line) != OURS:
                return False
        return True


def counting_together(settings: Callable[[], Settings], shared: Shared) -> list[Counting | Restoring]:
    """Give what goes on beside calls where limits are counted in Redis; who has a trace store restores from it."""
    counting = shared.counting
    if counting is None:
        return []
    return [counting] if settings().operator is None else [counting, Restoring(settings, shared, counting)]
