"""A stream holds its budget while it runs: its output is counted as it comes, and more is held in steps.

Money goes by the same count: so much a token of output, as the price is for a call of that size. The count is rough,
as what comes is; what was really used is settled at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

# So much more is held at a time, in tokens. It is asked for when half of it is left.
STEP_TOKENS: Final = 256

# Holds more tokens and money, and tells whether there was so much: see ``extend`` of ``core.limit_state.Holding``.
Extend = Callable[[int, int, Callable[[bool], None]], None]


class StreamMeter:
    """Counts what one answer has used.

    Args:
        extend: Holds more.
        held: Tokens of output that are held already.
        rate: Nano-dollars a token; nothing where no limit is of money, or nobody knows the price.
        ends: The stream ends when there is no more for it.

    Attributes:
        said: Tokens of output so far.
        held: Tokens of output that are held.
    """

    __slots__ = ("_asking", "_ends", "_extend", "_mark", "_rate", "_spent", "held", "said")

    def __init__(self, extend: Extend, held: int, rate: int, *, ends: bool) -> None:
        self._extend = extend
        self._rate = rate
        self._ends = ends
        self.held = held
        self.said = 0
        # Where it is time to ask for more; whether somebody was asked; how much, once all that is held is used.
        self._mark = held - STEP_TOKENS // 2
        self._asking = 0
        self._spent = False

    def took(self, tokens: int) -> bool:
        """Take output that came.

        Returns:
            The stream is to end: what is held is used up, and there is no more.
        """
        self.said += tokens
        if self.said < self._mark:
            return False
        if self._spent:
            return self._ends
        if not self._asking:
            self._ask()
        return self._spent and self._ends

    def _ask(self) -> None:
        self._asking = more = STEP_TOKENS + max(0, self.said - self.held)
        self._extend(more, more * self._rate, self._told)

    def _told(self, taken: object) -> None:
        more, self._asking = self._asking, 0
        if taken:
            self.held += more
            self._mark = self.held - STEP_TOKENS // 2
        elif self.said < self.held:
            # Asked early. When all is used there may be room again.
            self._mark = self.held
        elif self._ends:
            self._spent = True
        else:
            # It goes on overdrawn, and takes its part as soon as there is room.
            self._mark = self.said + STEP_TOKENS
