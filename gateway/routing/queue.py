"""The line in front of deployments that are full: who waits, whose turn it is, and who is turned away instead.

Callers take turns, however many calls each of them has waiting. Reads no clock and makes no task: whoever waits is told
by a function.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from gateway.core.errors import Overloaded
from gateway.core.exchange import QueueRule
from gateway.core.queue_told import QueueCounts
from gateway.routing.health import Health

# So many slots are given before it is believed how fast they come, and so many are looked back to.
KNOWN, LOOKED_BACK = 8, 16
# A client is told to come back in a second at the soonest, in a minute at the latest.
MIN_RETRY_S, MAX_RETRY_S = 1.0, 60.0
FULL = "Every deployment of this model is busy, and so is the queue in front of them."
LATE = "Every deployment of this model is busy, and none had room in time."


class Timer(Protocol):
    """Something that happens later."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


Later = Callable[[float, Callable[[], None]], Timer]


class Ticket:
    """A call in line.

    Args:
        caller: Who takes turns with others.
        seek: Finds the call a place, if one has room.
        sit: Takes that place for the call, at once.
        refuse: Tells the call that it gets none.
    """

    __slots__ = ("caller", "refuse", "seek", "since_s", "sit")

    def __init__(
        self,
        caller: str,
        seek: Callable[[float], int | None],
        sit: Callable[[int], None],
        refuse: Callable[[Overloaded], None],
    ) -> None:
        self.caller = caller
        self.seek = seek
        self.sit = sit
        self.refuse = refuse
        self.since_s = 0.0


class Line:
    """Calls that wait, by caller. Whoever has had a turn goes behind the other callers."""

    __slots__ = ("_by_caller", "_size")

    def __init__(self) -> None:
        self._by_caller: dict[str, deque[Ticket]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Ticket]:
        """In the order in which they have their turn, as the line is now."""
        lines = list(self._by_caller.values())
        for place in range(max(map(len, lines), default=0)):
            for line in lines:
                if place < len(line):
                    yield line[place]

    def join(self, ticket: Ticket) -> None:
        """Stand behind the other calls of the same caller."""
        self._by_caller.setdefault(ticket.caller, deque()).append(ticket)
        self._size += 1

    def leave(self, ticket: Ticket) -> bool:
        """Go away without a turn; false when it was not in line."""
        line = self._by_caller.get(ticket.caller)
        if line is None or ticket not in line:
            return False
        line.remove(ticket)
        self._size -= 1
        if not line:
            del self._by_caller[ticket.caller]
        return True

    def served(self, ticket: Ticket) -> None:
        """It has had its turn: its caller's next one comes after those of the others."""
        self.leave(ticket)
        line = self._by_caller.pop(ticket.caller, None)
        if line is not None:
            self._by_caller[ticket.caller] = line

    def ahead_of(self, caller: str) -> int:
        """How many would have their turn before a further call of a caller."""
        own = len(self._by_caller.get(caller, ()))
        others = (len(line) for name, line in self._by_caller.items() if name != caller)
        return own + sum(min(each, own + 1) for each in others)

    def last_of_the_longest(self, caller: str) -> Ticket | None:
        """Who makes room for a caller that has fewer calls waiting: the newest of who has most; else nobody."""
        longest = max(self._by_caller.values(), key=len, default=None)
        if longest is None or len(longest) <= len(self._by_caller.get(caller, ())) + 1:
            return None
        return longest[-1]


class Queue:
    """Holds calls of one alias until a deployment has room for them.

    Args:
        rule: How many, and for how long.
        healths: Of the deployments; they tell when a call leaves them.
        most: How many calls each of them takes.
        now_s: Monotonic clock.
        later: Calls a function after some seconds.
        counts: What came of waiting.
    """

    def __init__(
        self,
        rule: QueueRule,
        healths: Sequence[Health],
        most: Sequence[float],
        now_s: Callable[[], float],
        later: Later,
        counts: QueueCounts,
    ) -> None:
        self.rule = rule
        self._healths = healths
        self._most = most
        self._now_s = now_s
        self._later = later
        self._counts = counts
        self._line = Line()
        self._timer: Timer | None = None
        # Seconds from one slot to the next while somebody waits, from how many of them, and when the last one was.
        self._each_s = 0.0
        self._known = 0
        self._last_s = 0.0

    def __len__(self) -> int:
        return len(self._line)

    def waits_s(self, ahead: int) -> float:
        """How long a call is likely to wait that has so many before it; 0.0 where nobody knows."""
        return (ahead + 1) * self._each_s if self._known >= KNOWN else 0.0

    def refusal(self, caller: str) -> Overloaded | None:
        """Why a further call of a caller may not wait: there is no room, or its turn would come too late."""
        # Where nobody waits somebody may: else what is believed would never be looked at again.
        if len(self._line) and self.waits_s(self._line.ahead_of(caller)) > self.rule.wait_s:
            return self._refused(LATE)
        full = len(self._line) >= self.rule.length
        return self._refused(FULL) if full and self._line.last_of_the_longest(caller) is None else None

    def turned_away(self, refusal: Overloaded) -> Overloaded:
        """Count a call that may not wait."""
        self._counts.turned_away += 1
        return refusal

    def join(self, ticket: Ticket) -> None:
        """Stand in line; the turn may come at once.

        Raises:
            Overloaded: There is no room for it.
        """
        refusal = self.refusal(ticket.caller)
        if refusal is not None:
            raise self.turned_away(refusal)
        ticket.since_s = self._now_s()
        if len(self._line) >= self.rule.length:
            given_up = self._line.last_of_the_longest(ticket.caller)
            if given_up is not None:
                self._turn_away(given_up, FULL)
        if not len(self._line):
            self._last_s = ticket.since_s
            for health in self._healths:
                health.waiting.append(self)
        self._line.join(ticket)
        self._counts.waiting += 1
        self.serve()

    def leave(self, ticket: Ticket) -> None:
        """The call is not there any more."""
        if self._gone(ticket):
            self._counts.left += 1

    def late(self, ticket: Ticket) -> None:
        """The call has waited for as long as it may."""
        if self._gone(ticket):
            self._counts.late += 1
            ticket.refuse(self._refused(LATE))

    def serve(self) -> None:
        """Give what room there is to those who wait."""
        now_s = self._now_s()
        while (found := self._next(now_s)) is not None:
            self._serve(*found, now_s)
        self._look_again(now_s)

    def _next(self, now_s: float) -> tuple[Ticket, int] | None:
        """Find whose turn it is, and at which place; who has been everywhere that has room lets the next one pass."""
        if all(health.in_flight >= most for health, most in zip(self._healths, self._most, strict=True)):
            return None
        for ticket in self._line:
            place = ticket.seek(now_s)
            if place is not None:
                return ticket, place
        return None

    def _serve(self, ticket: Ticket, place: int, now_s: float) -> None:
        self._line.served(ticket)
        self._known = min(LOOKED_BACK, self._known + 1)
        self._each_s += (now_s - self._last_s - self._each_s) / self._known
        self._last_s = now_s
        self._counts.served += 1
        self._counts.waited_s += now_s - ticket.since_s
        self._over()
        ticket.sit(place)

    def _turn_away(self, ticket: Ticket, why: str) -> None:
        if self._gone(ticket):
            self._counts.turned_away += 1
            ticket.refuse(self._refused(why))

    def _gone(self, ticket: Ticket) -> bool:
        if not self._line.leave(ticket):
            return False
        self._over()
        return True

    def _over(self) -> None:
        """One fewer waits; when nobody does, nobody need tell us of room."""
        self._counts.waiting -= 1
        if not len(self._line):
            for health in self._healths:
                health.waiting.remove(self)
            self._stop_timer()

    def _look_again(self, now_s: float) -> None:
        """Room may also come with time, where a deployment has no call that could end: when its rest is over."""
        self._stop_timer()
        if not len(self._line):
            return
        rests = [
            rest_s
            for health, most in zip(self._healths, self._most, strict=True)
            if health.in_flight < most and (rest_s := health.rests_s(now_s)) > 0.0
        ]
        if rests:
            self._timer = self._later(min(rests), self.serve)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refused(self, why: str) -> Overloaded:
        """Say when there is likely to be room: when all who wait have had their turn."""
        wait_s = self.waits_s(len(self._line)) or self.rule.wait_s
        return Overloaded(why, retry_after_s=min(MAX_RETRY_S, max(MIN_RETRY_S, wait_s)))
