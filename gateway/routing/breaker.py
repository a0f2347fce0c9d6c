"""A breaker: leaves a deployment alone that keeps failing, then asks it again, one call at a time. Reads no clock."""

from __future__ import annotations

from collections import deque
from typing import Literal

from gateway.core.exchange import BreakerRule

State = Literal["closed", "open", "half_open"]
_SLOTS = 10


class Breaker:
    """Closed until too many calls fail; open for a while; then half open: one call at a time shows whether it is over.

    Args:
        rule: What is too many, and how long a while is.

    Attributes:
        times_open: How often it has opened since a call last went well.
        until_s: Until when it is open, or was before it was half open; 0.0 when it is closed. Read, not written.
    """

    __slots__ = ("_counts", "_hearsay", "_in_a_row", "_probing", "rule", "times_open", "until_s")

    def __init__(self, rule: BreakerRule) -> None:
        self.rule = rule
        self._in_a_row = 0
        # Good and bad calls by tenth of the window.
        self._counts: deque[list[int]] = deque(maxlen=_SLOTS)
        self.until_s = 0.0
        self._probing = False
        # Somebody else has opened it.
        self._hearsay = False
        self.times_open = 0

    @property
    def found_until_s(self) -> float:
        """Until when it is open by what was found here; 0.0 when it is closed, or open by hearsay."""
        return 0.0 if self._hearsay else self.until_s

    def hear(self, now_s: float, for_s: float) -> bool:
        """Open it, if it is closed, for a while: another gateway leaves the deployment alone for so long."""
        if self.until_s:
            return False
        self.until_s, self._hearsay = now_s + min(for_s, self.rule.max_open_s), True
        return True

    def state(self, now_s: float) -> State:
        """What it lets through at a moment."""
        if not self.until_s:
            return "closed"
        return "open" if now_s < self.until_s else "half_open"

    def allows(self, now_s: float) -> bool:
        """Whether a call may go through."""
        return not self.until_s or (now_s >= self.until_s and not self._probing)

    def opens_at_s(self) -> float:
        """When it lets the next call through; in the past where it does so already."""
        return self.until_s

    def begin(self, now_s: float) -> None:
        """A call goes through; while it is half open, no other does."""
        if self.until_s and now_s >= self.until_s:
            self._probing = True

    def give_up(self) -> None:
        """A call ended that says nothing: its client went away, or it was the request's own fault."""
        self._probing = False

    def succeed(self, now_s: float) -> None:
        """A call went well."""
        if self.until_s:
            if not self._probing:
                # Begun before it opened: not what is waited for.
                return
            self.until_s, self._hearsay = 0.0, False
            self._counts.clear()
        self._probing = False
        self.times_open = self._in_a_row = 0
        self._count(now_s, 0)

    def fail(self, now_s: float) -> None:
        """A call failed, and the deployment is to blame."""
        self._in_a_row += 1
        good, bad = self._count(now_s, 1)
        rule = self.rule
        if self.until_s and not self._probing:
            return
        often = good + bad >= rule.min_calls and bad >= rule.share * (good + bad)
        if self._probing or often or self._in_a_row >= rule.consecutive:
            self.until_s = now_s + min(rule.max_open_s, rule.open_s * 2**self.times_open)
            self.times_open = min(self.times_open + 1, 30)
            self._probing = self._hearsay = False

    def _count(self, now_s: float, bad: int) -> tuple[int, int]:
        slot = int(now_s * _SLOTS / self.rule.window_s)
        counts = self._counts
        if not counts or counts[-1][0] != slot:
            counts.append([slot, 0, 0])
        counts[-1][1 + bad] += 1
        while counts[0][0] <= slot - _SLOTS:
            counts.popleft()
        return sum(each[1] for each in counts), sum(each[2] for each in counts)
