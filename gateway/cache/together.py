"""Has a cross-encoder read two questions together, as long as it can.

That is a second opinion: where too many are waiting for one, or the model does not work, the first one stands, which
finds less. A model that has failed is left alone for a while, since it may take a round trip to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.core.errors import ModelFailed

# Read at once: a call that waits for its answer has others' before it, some milliseconds each.
AT_ONCE = 8
PAUSE_S = 30.0


class CrossEncoder(Protocol):
    """The model; both may raise ``ModelFailed``."""

    async def pieces(self, text: str) -> bytes:
        """Cut a question as it is read; empty where it is too long."""
        ...

    async def odds(self, one: bytes, other: bytes) -> float:
        """Return the log odds that one answer does for both questions."""
        ...


class Together:
    """A :class:`gateway.cache.judging.Reader`. Belongs to one loop.

    Args:
        model: Reads them.
        now_s: Any clock.

    Attributes:
        turned_away: Pairs that found too many before them.
        failed: How often the model did not work.
        why: What it said when it failed last; empty once it has worked again.
    """

    def __init__(self, model: CrossEncoder, now_s: Callable[[], float], *, at_once: int = AT_ONCE) -> None:
        self._model = model
        self._now_s = now_s
        self._free = at_once
        self._left_alone_until_s = 0.0
        self.turned_away = self.failed = 0
        self.why = ""

    async def pieces(self, text: str) -> bytes:
        """Cut a question as it is read; empty where it cannot be."""
        if self._left_alone():
            return b""
        try:
            return await self._model.pieces(text)
        except ModelFailed as error:
            self._note(error)
            return b""

    async def odds(self, one: bytes, other: bytes) -> float | None:
        """Return the log odds that one answer does for both; ``None`` where nobody can say now."""
        if self._left_alone():
            return None
        if not self._free:
            self.turned_away += 1
            return None
        self._free -= 1
        try:
            found = await self._model.odds(one, other)
        except ModelFailed as error:
            self._note(error)
            return None
        finally:
            self._free += 1
        self.why = ""
        return found

    def _left_alone(self) -> bool:
        return self._now_s() < self._left_alone_until_s

    def _note(self, error: ModelFailed) -> None:
        self.failed += 1
        self.why = error.public_message
        self._left_alone_until_s = self._now_s() + PAUSE_S
