"""Limits counted in this process' memory: at once, and for this process alone. See :mod:`gateway.core.limit_state`."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable

from gateway.accounting.calendars import CalendarWindow
from gateway.accounting.windows import Seats, Window
from gateway.clients.clock import Clock
from gateway.core.limit_state import Amounts, Charge, Quantity, Refusal, Standing

_SEATS, _REQUESTS, _TOKENS, _NANOUSD = Quantity.SEATS, Quantity.REQUESTS, Quantity.TOKENS, Quantity.NANOUSD
# A counter over so long a time is not forgotten before that is over, however many others there are.
_LASTING_S = 3600.0
_REST = "*"
_QUANTITIES = len(Quantity)
# More than the whole of a limit.
_NONE_YET = 2.0

Counter = Window | CalendarWindow | Seats
# A counter, what it counts, when and how much of it was taken.
Taken = tuple[Window | CalendarWindow, Charge, int, int]


class MemoryHolding:
    """What one call has taken: see :class:`gateway.core.limit_state.Holding`."""

    __slots__ = ("_more", "_open", "_seats", "_state", "_taken", "_ticket")

    def __init__(self, state: MemoryState, taken: list[Taken], seats: list[Seats], ticket: int) -> None:
        self._state = state
        self._taken = taken
        self._more: list[Taken] = []
        self._seats = seats
        self._ticket = ticket
        self._open = True

    def standings(self) -> tuple[Standing, ...]:
        """How the counters stand: of each quantity, the one with the least left."""
        return self._state.standings(self._taken)

    def extend(self, tokens: int, nanousd: int, then: Callable[[bool], None]) -> None:
        """Take more, of all counters or of none."""
        more = self._state.add(self._taken, tokens, nanousd) if self._open else None
        if more is not None:
            self._more += more
        then(more is not None)

    def settle(self, tokens: int | None, nanousd: int | None) -> None:
        """End the call: count what it used in place of what was reserved."""
        if self._open:
            self._end(tokens, nanousd)

    def void(self) -> None:
        """End a call that never reached a provider."""
        if self._open:
            self._end(0, 0)

    def _end(self, tokens: int | None, nanousd: int | None) -> None:
        self._open = False
        for seats in self._seats:
            seats.give(self._ticket)
        now_ns, wall_ns = self._state.now()
        for entry in self._taken:
            counter, charge, taken_ns, amount = entry
            quantity = charge.quantity
            used = tokens if quantity is _TOKENS else nanousd if quantity is _NANOUSD else None
            if used is None:
                continue
            at_ns = wall_ns if counter.wall else now_ns
            if self._more:
                used = self._keep(entry, used, at_ns)
            elif used != amount:
                counter.correct(taken_ns, used - amount, at_ns)

    def _keep(self, first: Taken, used: int, now_ns: int) -> int:
        """Keep of what was taken in steps as much as was used, the earliest first; an excess counts with the last."""
        counter = first[0]
        steps = [first, *(step for step in self._more if step[0] is counter)]
        for number, (_, _, taken_ns, amount) in enumerate(steps, 1):
            kept = used if number == len(steps) else min(amount, used)
            used -= kept
            if kept != amount:
                counter.correct(taken_ns, kept - amount, now_ns)
        return used


class MemoryState:
    """Counters by name.

    Args:
        clock: Tells the time.
        lease_ttl_s: After this long, a seat that was not given back is free again.
        max_counters: How many are kept. Beyond that, of those over less than an hour the one unused for longest is
            forgotten; those over longer times, and of money, are not: whoever comes new shares one with others.
    """

    shared = False

    def __init__(self, clock: Clock, *, lease_ttl_s: float = 900.0, max_counters: int = 200_000) -> None:
        self._clock = clock
        self._ttl_ns = int(lease_ttl_s * 1e9)
        self._max_counters = max_counters
        self._brief: OrderedDict[str, Counter] = OrderedDict()
        self._lasting: OrderedDict[str, Counter] = OrderedDict()
        self._tickets = itertools.count()

    def __len__(self) -> int:
        return len(self._brief) + len(self._lasting)

    def now(self) -> tuple[int, int]:
        """The present: of the clock that only grows, and of the one on the wall; in nanoseconds."""
        return self._clock.monotonic_ns(), self._clock.unix_us() * 1000

    def take(self, charges: tuple[Charge, ...], amounts: Amounts) -> MemoryHolding | Refusal:
        """Take a call's share, and a seat, of all of these counters, or of none."""
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.unix_us() * 1000
        ticket = next(self._tickets)
        taken: list[Taken] = []
        seats: list[Seats] = []
        for charge in charges:
            counter = self._counter(charge, now_ns, wall_ns)
            if isinstance(counter, Seats):
                if counter.take(now_ns, ticket):
                    seats.append(counter)
                    continue
            else:
                amount = min(amounts[charge.quantity], charge.limit)
                at_ns = wall_ns if counter.wall else now_ns
                if counter.take(at_ns, amount):
                    taken.append((counter, charge, at_ns, amount))
                    continue
            for earlier, _, at_ns, amount in taken:
                earlier.correct(at_ns, -amount, at_ns)
            for each in seats:
                each.give(ticket)
            return self._refusal(charges, amounts, now_ns, wall_ns)
        return MemoryHolding(self, taken, seats, ticket)

    def add(self, holding: Iterable[Taken], tokens: int, nanousd: int) -> list[Taken] | None:
        """Take more of the counters that a call has taken from, of all or of none."""
        now_ns, wall_ns = self.now()
        amounts = (0, tokens, nanousd)
        more: list[Taken] = []
        for counter, charge, _, _ in holding:
            amount = amounts[charge.quantity]
            if not amount:
                continue
            at_ns = wall_ns if counter.wall else now_ns
            if not counter.take(at_ns, amount):
                for earlier, _, before_ns, taken in more:
                    earlier.correct(before_ns, -taken, before_ns)
                return None
            more.append((counter, charge, at_ns, amount))
        return more

    def restore(self, charge: Charge, amount: int, age_s: float) -> None:
        """Count what was used so many seconds ago."""
        now_ns, wall_ns = self.now()
        counter = self._counter(charge, now_ns, wall_ns)
        if not isinstance(counter, Seats):
            at_ns = wall_ns if counter.wall else now_ns
            counter.restore(at_ns - int(age_s * 1e9), amount, at_ns)

    def standings(self, taken: Iterable[Taken]) -> tuple[Standing, ...]:
        """How counters stand: of each quantity, the one with the least left."""
        now_ns, wall_ns = self.now()
        shares = [_NONE_YET] * _QUANTITIES
        least: list[Taken | None] = [None] * _QUANTITIES
        for entry in taken:
            charge = entry[1]
            share = 1 - entry[0].total / charge.limit
            if share < shares[charge.quantity]:
                shares[charge.quantity], least[charge.quantity] = share, entry
        standings: list[Standing] = []
        for entry in least:
            if entry is not None:
                counter, charge, _, _ = entry
                left, reset_ns = charge.limit - counter.total, counter.reset_ns(wall_ns if counter.wall else now_ns)
                standings.append(Standing(charge=charge, left=max(0, left), reset_s=reset_ns / 1e9))
        return tuple(standings)

    def _counter(self, charge: Charge, now_ns: int, wall_ns: int) -> Counter:
        name = charge.name
        for kept in (self._brief, self._lasting):
            counter = kept.get(name)
            if counter is not None:
                kept.move_to_end(name)
                if counter.limit != charge.limit:
                    counter.limit = charge.limit
                return counter
        return self._create(charge, now_ns, wall_ns)

    def _create(self, charge: Charge, now_ns: int, wall_ns: int) -> Counter:
        name, period = charge.name, charge.period
        lasting = period is not None and (
            charge.quantity is _NANOUSD or bool(period.calendar) or period.seconds >= _LASTING_S
        )
        kept = self._lasting if lasting else self._brief
        # Two looks for one addition: idle counters go faster than new ones come.
        for _ in range(2):
            oldest = next(iter(kept.values()), None)
            if oldest is None:
                break
            full = len(self) >= self._max_counters
            if oldest.idle(wall_ns if oldest.wall else now_ns) or (full and not lasting):
                kept.popitem(last=False)
        if lasting and len(self) >= self._max_counters:
            name = name.partition(":")[0] + ":" + _REST
            counter = kept.get(name)
            if counter is not None:
                return counter
        counter = kept[name] = self._made(charge)
        return counter

    def _made(self, charge: Charge) -> Counter:
        period = charge.period
        if period is None:
            return Seats(charge.limit, self._ttl_ns)
        if period.calendar:
            return CalendarWindow(charge.limit, period)
        return Window(charge.limit, period.seconds)

    def _refusal(self, charges: tuple[Charge, ...], amounts: Amounts, now_ns: int, wall_ns: int) -> Refusal:
        longest_ns, slowest = -1, charges[0]
        standing: list[Taken] = []
        for charge in charges:
            counter = self._counter(charge, now_ns, wall_ns)
            if isinstance(counter, Seats):
                wait_ns = counter.wait_ns(now_ns)
            else:
                at_ns = wall_ns if counter.wall else now_ns
                wait_ns = counter.wait_ns(at_ns, min(amounts[charge.quantity], charge.limit))
                standing.append((counter, charge, at_ns, 0))
            if wait_ns > longest_ns:
                longest_ns, slowest = wait_ns, charge
        return Refusal(charge=slowest, retry_after_s=longest_ns / 1e9, standings=self.standings(standing))
