"""Limits counted in this process' memory: at once, and for this process alone. See :mod:`gateway.core.limit_state`."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable

from gateway.accounting.calendars import CalendarWindow
from gateway.accounting.windows import Seats, Window
from gateway.clients.clock import Clock
from gateway.core.limit_state import Amounts, Charge, Quantity, Refusal, Standing

_NANOUSD = Quantity.NANOUSD
# A counter over so long a time is not forgotten before that is over, however many others there are.
_LASTING_S = 3600.0
_REST = "*"
_TOLD = (int(Quantity.REQUESTS), int(Quantity.TOKENS))
# Tuples of charges whose counters are remembered.
_MOST_DRAWN = 4096

Counter = Window | CalendarWindow | Seats
# A counter, what it counts, when and how much of it was taken.
Taken = tuple[Window | CalendarWindow, Charge, int, int]


class Drawn:
    """The counters that some charges draw on, looked up once for all calls with the same charges.

    Args:
        charges: Those.
        edition: Of the counters: when one of them has gone or has another limit, there is a new one.
        windows: Each with its charge, and where in amounts its own stands.
    """

    __slots__ = ("charges", "edition", "seats", "told", "windows")

    def __init__(
        self,
        charges: tuple[Charge, ...],
        edition: int,
        windows: tuple[tuple[Window | CalendarWindow, Charge, int], ...],
        seats: tuple[Seats, ...],
    ) -> None:
        self.charges = charges
        self.edition = edition
        self.windows = windows
        self.seats = seats
        # Where those stand that clients are told of; nobody has names for money.
        told = [[at for at, (_, _, place) in enumerate(windows) if place == kind] for kind in _TOLD]
        self.told = tuple([tuple(places) for places in told if places])


class MemoryHolding:
    """What one call has taken: see :class:`gateway.core.limit_state.Holding`."""

    __slots__ = ("_drawn", "_more", "_open", "_state", "_taken", "_ticket")

    def __init__(self, state: MemoryState, drawn: Drawn, taken: list[Taken], ticket: int) -> None:
        self._state = state
        self._drawn = drawn
        self._taken = taken
        self._more: list[Taken] = []
        self._ticket = ticket
        self._open = True

    def standings(self) -> tuple[Standing, ...]:
        """How the counters stand: of requests and of tokens, the one with the least left."""
        return self._state.standings(self._drawn, self._taken)

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
        for seats in self._drawn.seats:
            seats.give(self._ticket)
        now_ns, wall_ns = self._state.now()
        told = (None, tokens, nanousd)
        for entry in self._taken:
            counter, charge, taken_ns, amount = entry
            used = told[charge.quantity]
            if used is None:
                continue
            if self._more:
                self._keep(entry, used, wall_ns if counter.wall else now_ns)
            elif used != amount:
                counter.correct(taken_ns, used - amount, wall_ns if counter.wall else now_ns)

    def _keep(self, first: Taken, used: int, now_ns: int) -> None:
        """Keep of what was taken in steps as much as was used, the earliest first; an excess counts with the last."""
        counter = first[0]
        steps = [first, *(step for step in self._more if step[0] is counter)]
        for number, (_, _, taken_ns, amount) in enumerate(steps, 1):
            kept = used if number == len(steps) else min(amount, used)
            used -= kept
            if kept != amount:
                counter.correct(taken_ns, kept - amount, now_ns)


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
        self._monotonic_ns, self._unix_us = clock.monotonic_ns, clock.unix_us
        self._ttl_ns = int(lease_ttl_s * 1e9)
        self._max_counters = max_counters
        self._brief: OrderedDict[str, Counter] = OrderedDict()
        self._lasting: OrderedDict[str, Counter] = OrderedDict()
        self._drawn: dict[int, Drawn] = {}
        self._edition = 0
        self._tickets = itertools.count()

    def __len__(self) -> int:
        return len(self._brief) + len(self._lasting)

    def now(self) -> tuple[int, int]:
        """The present: of the clock that only grows, and of the one on the wall; in nanoseconds."""
        return self._monotonic_ns(), self._unix_us() * 1000

    def take(self, charges: tuple[Charge, ...], amounts: Amounts) -> MemoryHolding | Refusal:
        """Take a call's share, and a seat, of all of these counters, or of none."""
        now_ns, wall_ns = self.now()
        # Whoever charges keeps the same tuples; comparing them costs more than asking which one it is.
        drawn = self._drawn.get(id(charges))
        if drawn is None or drawn.charges is not charges or drawn.edition != self._edition:
            drawn = self._draw(charges, now_ns, wall_ns)
        taken: list[Taken] = []
        for counter, charge, place in drawn.windows:
            amount = amounts[place]
            amount = min(amount, charge.limit)
            at_ns = wall_ns if counter.wall else now_ns
            if not counter.take(at_ns, amount):
                break
            taken.append((counter, charge, at_ns, amount))
        else:
            ticket, seats = next(self._tickets), drawn.seats
            if not seats or self._sit(seats, now_ns, ticket):
                return MemoryHolding(self, drawn, taken, ticket)
        for counter, _, at_ns, amount in taken:
            counter.correct(at_ns, -amount, at_ns)
        return self._refusal(drawn, amounts, now_ns, wall_ns)

    @staticmethod
    def _sit(seats: tuple[Seats, ...], now_ns: int, ticket: int) -> bool:
        """Take a seat of each, or of none."""
        for number, each in enumerate(seats):
            if not each.take(now_ns, ticket):
                for earlier in seats[:number]:
                    earlier.give(ticket)
                return False
        return True

    def _draw(self, charges: tuple[Charge, ...], now_ns: int, wall_ns: int) -> Drawn:
        """Look up the counters that these draw on, and remember them where nobody needs to know who uses which."""
        windows: list[tuple[Window | CalendarWindow, Charge, int]] = []
        seats: list[Seats] = []
        # Room is made first: what is new looks as if nobody used it.
        for charge in charges:
            self._make_room(charge, now_ns, wall_ns)
        for charge in charges:
            counter = self._counter(charge)
            if isinstance(counter, Seats):
                seats.append(counter)
            else:
                windows.append((counter, charge, int(charge.quantity)))
        drawn = Drawn(charges, self._edition, tuple(windows), tuple(seats))
        if self._roomy:
            while len(self._drawn) >= _MOST_DRAWN:
                del self._drawn[next(iter(self._drawn))]
            self._drawn[id(charges)] = drawn
        return drawn

    @property
    def _roomy(self) -> bool:
        """Whether there is so much room that none has to go which is used; who was used last matters only later."""
        return len(self) * 2 < self._max_counters

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
        self._make_room(charge, now_ns, wall_ns)
        counter = self._counter(charge)
        if not isinstance(counter, Seats):
            at_ns = wall_ns if counter.wall else now_ns
            counter.restore(at_ns - int(age_s * 1e9), amount, at_ns)

    def standings(self, drawn: Drawn, taken: list[Taken]) -> tuple[Standing, ...]:
        """How counters stand: of requests and of tokens, the one with the least left."""
        now_ns, wall_ns = self.now()
        standings: list[Standing] = []
        for places in drawn.told:
            entry = taken[places[0]]
            if len(places) > 1:
                entry = max((taken[place] for place in places), key=_share)
            counter, charge, _, _ = entry
            left, reset_ns = charge.limit - counter.total, counter.reset_ns(wall_ns if counter.wall else now_ns)
            standings.append(Standing(charge, max(0, left), reset_ns / 1e9))
        return tuple(standings)

    def _counter(self, charge: Charge) -> Counter:
        name = charge.name
        for kept in (self._brief, self._lasting):
            counter = kept.get(name)
            if counter is not None:
                kept.move_to_end(name)
                if counter.limit != charge.limit:
                    counter.limit = charge.limit
                    self._edition += 1
                return counter
        kept = self._kept(charge)
        if kept is self._lasting and len(self) >= self._max_counters:
            name = name.partition(":")[0] + ":" + _REST
            counter = kept.get(name)
            if counter is not None:
                return counter
        counter = kept[name] = self._made(charge)
        return counter

    def _kept(self, charge: Charge) -> OrderedDict[str, Counter]:
        period = charge.period
        lasting = period is not None and (
            charge.quantity is _NANOUSD or bool(period.calendar) or period.seconds >= _LASTING_S
        )
        return self._lasting if lasting else self._brief

    def _make_room(self, charge: Charge, now_ns: int, wall_ns: int) -> None:
        """Let some go that nobody uses, if this one is new."""
        if charge.name in self._brief or charge.name in self._lasting:
            return
        kept = self._kept(charge)
        # Two looks for one addition: idle counters go faster than new ones come.
        for _ in range(2):
            name, oldest = next(iter(kept.items()), ("", None))
            if oldest is None:
                return
            full = len(self) >= self._max_counters
            if oldest.idle(wall_ns if oldest.wall else now_ns) or (full and kept is self._brief):
                del kept[name]
                self._edition += 1
            elif self._roomy:
                # Used without having been moved: the next one is looked at then.
                kept.move_to_end(name)

    def _made(self, charge: Charge) -> Counter:
        period = charge.period
        if period is None:
            return Seats(charge.limit, self._ttl_ns)
        if period.calendar:
            return CalendarWindow(charge.limit, period)
        return Window(charge.limit, period.seconds)

    def _refusal(self, drawn: Drawn, amounts: Amounts, now_ns: int, wall_ns: int) -> Refusal:
        longest_ns, slowest = -1, drawn.charges[0]
        standing: list[Taken] = []
        for counter, charge, place in drawn.windows:
            at_ns = wall_ns if counter.wall else now_ns
            wait_ns = counter.wait_ns(at_ns, min(amounts[place], charge.limit))
            standing.append((counter, charge, at_ns, 0))
            if wait_ns > longest_ns:
                longest_ns, slowest = wait_ns, charge
        seated = [charge for charge in drawn.charges if charge.period is None]
        for seats, charge in zip(drawn.seats, seated, strict=True):
            wait_ns = seats.wait_ns(now_ns)
            if wait_ns > longest_ns:
                longest_ns, slowest = wait_ns, charge
        return Refusal(charge=slowest, retry_after_s=longest_ns / 1e9, standings=self.standings(drawn, standing))


def _share(entry: Taken) -> float:
    return entry[0].total / entry[1].limit
