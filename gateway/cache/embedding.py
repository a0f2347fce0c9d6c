"""Embeds questions for the cache, beside the loop and behind a bounded queue.

The model is the one that guards ask, and what they have embedded of a call is known already. A call that waits for its
answer goes before those that only want to be stored, and when too many wait, more are turned away: a question without
an embedding is one that has no neighbours, and nothing worse.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from gateway.core.errors import ModelFailed

# Longer questions are not embedded: their windows would say more of what surrounds a question than of the question.
MOST_CHARS = 4_000
# Under way at once: a thread computes one window at a time, and guards ask as well.
AT_ONCE = 2
WAITING = 128

# Gives ``float32[n, 384]`` at unit length, as an array of numpy's.
Embed = Callable[[Sequence[str]], Awaitable[Any]]


class Embedding:
    """Embeds texts one by one. Belongs to one loop.

    Args:
        embed: Runs the model; may raise ``ModelFailed``.
        at_once: How many are under way at the same time.
        waiting: How many may wait.

    Attributes:
        turned_away: Texts that found too many before them.
        failed: Texts that the model could not embed.
        why: What the model said when it failed last; empty once it has worked again.
    """

    def __init__(self, embed: Embed, *, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._embed = embed
        self._free = at_once
        self._most = waiting
        # Those who have somebody waiting for them, and the others.
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._other: deque[asyncio.Future[None]] = deque()
        self.turned_away = self.failed = 0
        self.why = ""

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._urgent) + len(self._other)

    async def vector(self, text: str, *, urgent: bool = False) -> bytes:
        """Return a text's embedding, float16, little-endian, at unit length; empty where it cannot be had now."""
        found = await self._computed(text, urgent=urgent)
        return b"" if found is None else found.astype("<f2").tobytes()

    async def cosine(self, one: str, other: str) -> float | None:
        """Return how near two texts are; ``None`` where that cannot be told now."""
        first, second = await self._computed(one, urgent=False), await self._computed(other, urgent=False)
        return None if first is None or second is None else float(first @ second)

    async def _computed(self, text: str, *, urgent: bool) -> Any:
        if len(text) > MOST_CHARS or not await self._turn(urgent=urgent):
            return None
        with self._held():
            try:
                (found,) = await self._embed((text,))
            except ModelFailed as error:
                self.failed += 1
                self.why = error.public_message
                return None
        self.why = ""
        return found

    async def _turn(self, *, urgent: bool) -> bool:
        """Wait until one may begin; false when there are too many."""
        if self._free:
            self._free -= 1
            return True
        if self.waiting >= self._most and not (urgent and self._gives_way()):
            self.turned_away += 1
            return False
        queue = self._urgent if urgent else self._other
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                if turn.exception() is None:
                    self._next()
            elif turn in queue:
                queue.remove(turn)
            raise
        except _TurnedAway:
            self.turned_away += 1
            return False
        return True

    def _gives_way(self) -> bool:
        """Let one that nobody waits for make room; the one that came last has waited least."""
        while self._other:
            last = self._other.pop()
            if not last.done():
                last.set_exception(_TurnedAway())
                return True
        return False

    @contextmanager
    def _held(self) -> Generator[None]:
        try:
            yield
        finally:
            self._next()

    def _next(self) -> None:
        for queue in (self._urgent, self._other):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1


class _TurnedAway(Exception):
    """Somebody more urgent has come."""
