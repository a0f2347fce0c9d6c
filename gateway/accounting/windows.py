"""Counters that forget: a sliding window of amounts, and seats that come free by themselves. No clock of their own."""

from __future__ import annotations

import math

# A window is counted in this many slots and the one in progress. A slot's amounts leave together, when the last of them
# is a window old: the first of them is held a twentieth of the window longer at most, the last not a moment.
_SLOTS = 20
_RING = _SLOTS + 1
# What a refused call is told when only other calls' ends can make room: nobody knows when that will be.
_SEAT_RETRY_NS = 1_000_000_000


class Window:
    """Amounts within the last so many seconds.

    What was admitted within any stretch of that length never exceeds the limit, as long as corrections do not add.

    Args:
        limit: Most that may be admitted in any such stretch.
        per_s: The stretch's length in seconds.
    """

    __slots__ = ("_at", "_gone", "_last", "_per_ns", "_ring", "_slot_ns", "limit", "total")

    wall = False

    def __init__(self, limit: int, per_s: float) -> None:
        self.limit = limit
        self.total = 0
        self._slot_ns = math.ceil(per_s * 1e9 / _SLOTS)
        self._per_ns = self._slot_ns * _SLOTS
        self._ring = [0] * _RING
        # When something was counted in each slot last.
        self._last = [0] * _RING
        self._at = 0
        # The newest slot that has left.
        self._gone = -_RING

    def take(self, now_ns: int, amount: int) -> bool:
        """Count an amount, unless that would exceed the limit."""
        slot = now_ns // self._slot_ns
        if slot > self._at:
            self._advance(slot)
        total = self.total + amount
        if total > self.limit:
            self._expire(now_ns)
            total = self.total + amount
            if total > self.limit:
                return False
        self.total = total
        self._ring[slot % _RING] += amount
        self._last[slot % _RING] = now_ns
        return True

    def correct(self, taken_ns: int, difference: int, now_ns: int) -> None:
        """Change an amount taken earlier. More than was taken always counts, even beyond the limit.

        Args:
            taken_ns: When it was taken.
            difference: What it was more, or less, than was taken.
            now_ns: The present.
        """
        slot = now_ns // self._slot_ns
        if slot > self._at:
            self._advance(slot)
        taken = taken_ns // self._slot_ns
        if taken <= self._gone:
            # It has been forgotten: there is nothing to give back, but an excess was used up to now.
            if difference <= 0:
                return
            taken = self._at
            self._last[taken % _RING] = now_ns
        self.total += difference
        self._ring[taken % _RING] += difference

    def restore(self, taken_ns: int, amount: int, now_ns: int) -> None:
        """Count what was taken before this window was made; beyond the limit too. Later ones may come first."""
        slot = now_ns // self._slot_ns
        if slot > self._at:
            self._advance(slot)
        taken = taken_ns // self._slot_ns
        if taken <= max(self._gone, self._at - _RING):
            return
        self.total += amount
        self._ring[taken % _RING] += amount
        self._last[taken % _RING] = max(self._last[taken % _RING], taken_ns)

    def reset_ns(self, now_ns: int) -> int:
        """How long until nothing is counted any more, if nobody takes any."""
        slot = now_ns // self._slot_ns
        if slot > self._at:
            self._advance(slot)
        place = self._at % _RING
        if self._ring[place]:
            return self._last[place] + self._per_ns - now_ns
        self._expire(now_ns)
        for newest in range(self._at, self._at - _RING, -1):
            if self._ring[newest % _RING]:
                return self._last[newest % _RING] + self._per_ns - now_ns
        return 0

    def idle(self, now_ns: int) -> bool:
        """Whether it may be forgotten."""
        return now_ns // self._slot_ns - self._at >= _RING

    def wait_ns(self, now_ns: int, amount: int) -> int:
        """How long until this amount fits, if nobody else takes any; 0 when it fits now."""
        slot = now_ns // self._slot_ns
        if slot > self._at:
            self._advance(slot)
        self._expire(now_ns)
        excess = self.total + amount - self.limit
        if excess <= 0:
            return 0
        for oldest in range(self._at - _SLOTS, self._at + 1):
            excess -= self._ring[oldest % _RING]
            if excess <= 0:
                return self._last[oldest % _RING] + self._per_ns - now_ns
        return self._per_ns

    def _expire(self, now_ns: int) -> None:
        """Let the oldest slot go when the last of it is a window old: sooner than its place is needed."""
        oldest = self._at - _SLOTS
        place = oldest % _RING
        if oldest > self._gone and self._last[place] + self._per_ns <= now_ns:
            self.total -= self._ring[place]
            self._ring[place] = 0
            self._gone = oldest

    def _advance(self, slot: int) -> None:
        ring = self._ring
        if slot - self._at >= _RING:
            self._ring = [0] * _RING
            self.total = 0
        else:
            for passed in range(self._at + 1, slot + 1):
                self.total -= ring[passed % _RING]
                ring[passed % _RING] = 0
        self._at = slot
        self._gone = max(self._gone, slot - _RING)


class Seats:
    """Calls in progress. A seat that nobody gives back comes free when its time is over.

    Args:
        limit: Most that may be held at once.
        ttl_ns: How long one may be held.
    """

    __slots__ = ("_held", "_ttl_ns", "limit")

    wall = False

    def __init__(self, limit: int, ttl_ns: int) -> None:
        self.limit = limit
        self._ttl_ns = ttl_ns
        # When each expires; all are held equally long, so the first to come is the first to expire.
        self._held: dict[int, int] = {}

    def take(self, now_ns: int, ticket: int) -> bool:
        """Take a seat under a ticket never used before, unless all are taken."""
        if len(self._held) >= self.limit and not self._freed(now_ns):
            return False
        self._held[ticket] = now_ns + self._ttl_ns
        return True

    def give(self, ticket: int) -> None:
        """Give a seat back; nothing happens when it has been, or has expired."""
        self._held.pop(ticket, None)

    def held(self, now_ns: int) -> int:
        """How many are taken."""
        self._expire(now_ns)
        return len(self._held)

    def wait_ns(self, now_ns: int, ticket: int = 0) -> int:
        """After how long another try makes sense; 0 when a seat is free, whoever asks."""
        del ticket
        return _SEAT_RETRY_NS if self.held(now_ns) >= self.limit else 0

    def idle(self, now_ns: int) -> bool:
        """Whether it may be forgotten."""
        return not self.held(now_ns)

    def _freed(self, now_ns: int) -> bool:
        self._expire(now_ns)
        return len(self._held) < self.limit

    def _expire(self, now_ns: int) -> None:
        while self._held:
            ticket = next(iter(self._held))
            if self._held[ticket] > now_ns:
                return
            del self._held[ticket]
