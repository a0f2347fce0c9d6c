"""Limits counted in Redis, for any number of workers: see :mod:`gateway.core.limit_state`.

A call asks one question before its work and tells one thing after it, which nobody waits for. What the store does not
say in time is decided as the configuration says, and told to the store when it is back: a call that it has not heard of
is counted with all that it used.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Literal

import msgspec

from gateway.accounting.calendars import bounds_ns
from gateway.accounting.local_share import LocalShare
from gateway.accounting.shared_script import CALENDAR, DONE, EXTEND, SEATS, SETTLE, SLIDING, TAKE
from gateway.clients.clock import Clock
from gateway.clients.redis_line import words_of
from gateway.clients.redis_link import PREFIX, Question, RedisLink, Scripts
from gateway.core.errors import StoreUnavailable
from gateway.core.limit_state import Amounts, Charge, Holding, Quantity, Refusal, Standing

OnStoreError = Literal["local", "allow", "deny"]
_MOST_PLANS = 4096
# Words of a command beside the counters' keys: EVALSHA, digest, number of keys, record, and three arguments.
_WORDS = 7
_FOREVER_NS = 2**63
_TOLD = (int(Quantity.REQUESTS), int(Quantity.TOKENS))
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[int]).decode


def counter_of(charge: Charge, wall_ns: int, ttl_us: int) -> tuple[bytes, tuple[int, int, int], int]:
    """Give a counter's key, what the script is told of it, and when its calendar's period began, in microseconds.

    Args:
        charge: Which.
        wall_ns: The time, which says the calendar's period.
        ttl_us: How long a seat is held at most.
    """
    key, period = PREFIX + b"c:" + charge.name.encode("utf-8", "surrogatepass"), charge.period
    if period is None:
        return key, (SEATS, charge.limit, ttl_us), 0
    if not period.calendar:
        return key, (SLIDING, charge.limit, max(1, round(period.seconds * 1e6))), 0
    start_ns, end_ns = bounds_ns(period, wall_ns)
    return key + b":%d" % (start_ns // 1_000_000_000), (CALENDAR, charge.limit, end_ns // 1000), start_ns // 1000


class Plan:
    """How some charges are asked for, written down once for all calls that have the same.

    Args:
        charges: In the order of the keys.
        link: To the store.
        opening: How a command begins.
        wall_ns: The time, which says the calendar's period.
        ttl_us: How long a seat is held at most.
    """

    __slots__ = ("_cuts", "_head", "_shown", "charges", "places", "told", "until_ns")

    def __init__(self, charges: tuple[Charge, ...], record: bytes, opening: bytes, wall_ns: int, ttl_us: int) -> None:
        self.charges = charges
        self.until_ns = _FOREVER_NS
        # What was left when the store last spoke of them.
        self.told: list[int] | None = None
        keys: list[bytes] = []
        rules: list[int] = []
        for charge in charges:
            key, rule, _ = counter_of(charge, wall_ns, ttl_us)
            if rule[0] == CALENDAR:
                self.until_ns = min(self.until_ns, rule[2] * 1000)
            keys.append(key)
            rules += rule
        counted = len(keys)
        words = words_of(b"%d" % (counted + 1), record, *keys, _pack(rules))
        self._head = b"*%d\r\n" % (_WORDS + counted) + opening + words
        # Where the amount of each counter stands in amounts, and the most there may be of it.
        self.places = tuple(int(charge.quantity) for charge in charges)
        self._cuts = tuple((int(charge.quantity), charge.limit) for charge in charges)
        # Where those stand that clients are told of; nobody has names for money.
        shown = [[at for at, place in enumerate(self.places) if place == kind] for kind in _TOLD]
        self._shown = tuple(tuple(places) for places in shown if places)

    def text(self, what: str, ticket: str, number: int, amounts: list[int]) -> bytes:
        """Write a command, without its last word."""
        question = _pack((what, ticket, number, *amounts))
        return b"%b$%d\r\n%b\r\n" % (self._head, len(question), question)

    def cut(self, amounts: Amounts) -> list[int]:
        """Say what a call takes of each counter, of none more than there may be."""
        needed = (*amounts, 1)
        return [min(needed[place], limit) for place, limit in self._cuts]

    def standings(self, told: list[int]) -> tuple[Standing, ...]:
        """Make out how counters stand: of requests and of tokens, the one with the least left."""
        standings: list[Standing] = []
        for places in self._shown:
            at = places[0]
            if len(places) > 1:
                at = min(places, key=lambda place: told[place * 2] / self.charges[place].limit)
            standings.append(Standing(self.charges[at], max(0, told[at * 2]), told[at * 2 + 1] / 1e6))
        return tuple(standings)


class SharedHolding:
    """What one call has taken: see :class:`gateway.core.limit_state.Holding`.

    Args:
        state: Where it was taken.
        plan: Of what.
        ticket: Names it there.
        counted: How much of each.
        told: How the counters stood then; nothing where the store did not say.
        beside: What was taken of this worker's share while the store was silent.
    """

    __slots__ = ("_beside", "_counted", "_number", "_open", "_plan", "_state", "_ticket", "_told")

    def __init__(
        self, state: SharedState, plan: Plan, ticket: str, counted: list[int], told: list[int], beside: Holding | None
    ) -> None:
        self._state = state
        self._plan = plan
        self._ticket = ticket
        self._counted = counted
        self._told = told
        self._beside = beside
        self._number = 0
        self._open = True

    def standings(self) -> tuple[Standing, ...]:
        """How the counters stand: of requests and of tokens, the one with the least left."""
        return self._plan.standings(self._told) if self._told else ()

    def extend(self, tokens: int, nanousd: int, then: Callable[[bool], None]) -> None:
        """Take more, of all counters or of none."""
        if not self._open:
            then(self._open)
            return
        needed = (0, tokens, nanousd, 0)
        more = [needed[place] for place in self._plan.places]

        def told(answer: bytes | None) -> None:
            taken = self._extended_without(tokens, nanousd) if answer is None else _unpack(answer)[0] == DONE
            if taken:
                self._counted = [had + has for had, has in zip(self._counted, more, strict=True)]
            then(taken)

        self._number += 1
        if not self._state.ask(self._plan.text(EXTEND, self._ticket, self._number, more), told):
            told(None)

    def settle(self, tokens: int | None, nanousd: int | None) -> None:
        """End the call: count what it used in place of what was reserved."""
        if self._open:
            self._open = False
            if self._beside is not None:
                self._beside.settle(tokens, nanousd)
            told = (None, tokens, nanousd, None)
            used = [
                counted if (known := told[place]) is None else known
                for place, counted in zip(self._plan.places, self._counted, strict=True)
            ]
            self._state.settle(self._plan, self._ticket, self._counted, used)

    def void(self) -> None:
        """End a call that never reached a provider."""
        self.settle(0, 0)

    def _extended_without(self, tokens: int, nanousd: int) -> bool:
        """Decide without the store whether there is more."""
        if self._beside is None:
            self._beside = self._state.beside(self._plan, (0, tokens, nanousd))
            return self._beside is not None or self._state.otherwise == "allow"
        taken: list[bool] = []
        self._beside.extend(tokens, nanousd, taken.append)
        return taken == [True]


class SharedState:
    """Counters in a store that others count in, too.

    Args:
        link: To the store.
        scripts: What the link asks there.
        clock: Says the calendar's periods. Windows are counted by the store's own clock.
        otherwise: What holds while the store is silent.
        share: This worker's share of everything, for then.
        lease_ttl_s: After this long, a seat that was not given back is free again.
    """

    shared = True

    def __init__(
        self,
        link: RedisLink,
        scripts: Scripts,
        clock: Clock,
        *,
        otherwise: OnStoreError = "local",
        lease_ttl_s: float = 900.0,
    ) -> None:
        self.otherwise: OnStoreError = otherwise
        self._link = link
        self._opening = scripts.opening
        self._clock = clock
        self._ttl_us = int(lease_ttl_s * 1e6)
        self._share = LocalShare(clock, lease_ttl_s)
        self._plans: dict[int, Plan] = {}
        self._tickets = itertools.count(1)
        self._settled = itertools.count(1)
        self._loop = asyncio.get_running_loop()

    async def take(self, charges: tuple[Charge, ...], amounts: Amounts) -> Holding | Refusal:
        """Take a call's share, and a seat, of all of these counters, or of none.

        Raises:
            StoreUnavailable: The store is silent, and no call is to pass then.
        """
        plan = self._plan_of(charges)
        counted = plan.cut(amounts)
        ticket = f"{next(self._tickets):x}"
        answer: bytes | None = None
        waiter: asyncio.Future[bytes | None] = self._loop.create_future()

        def told(said: bytes | None) -> None:
            if not waiter.done():
                waiter.set_result(said)

        asked = self.ask(plan.text(TAKE, ticket, 0, counted), told)
        if asked:
            try:
                answer = await waiter
            except asyncio.CancelledError:
                self._forget(plan, ticket, counted)
                raise
        if answer is None:
            return self._without(plan, amounts, ticket, counted, asked=asked)
        self._link.counts.asked += 1
        self._share.clear()
        said = _unpack(answer)
        if said[0] == DONE:
            plan.told = left = said[2:]
            return SharedHolding(self, plan, ticket, counted, left, None)
        plan.told = left = said[3:]
        return Refusal(charge=charges[said[1]], retry_after_s=said[2] / 1e6, standings=plan.standings(left))

    def ask(self, text: bytes, told: Callable[[bytes | None], None]) -> bool:
        """Ask the store, if that is worth it."""
        return self._link.ask(Question(text, told, kept=False))

    def beside(self, plan: Plan, amounts: Amounts) -> Holding | None:
        """Take from this worker's share, where the store is silent and the configuration wants that."""
        if self.otherwise != "local":
            return None
        taken = self._share.take(plan.charges, plan.told, amounts, self._link.counts.workers)
        return None if isinstance(taken, Refusal) else taken

    def settle(self, plan: Plan, ticket: str, counted: list[int], used: list[int]) -> None:
        """Tell the store what a call used in place of what was counted for it."""
        if self._clock.unix_us() * 1000 < plan.until_ns:
            self._link.settle(plan.text(SETTLE, ticket, next(self._settled), used))
            return
        # A period is over. What was admitted in it stays counted there; an excess belongs to the present one.
        calendar = [charge.period is not None and bool(charge.period.calendar) for charge in plan.charges]
        then = [was if dated else has for was, has, dated in zip(counted, used, calendar, strict=True)]
        self._link.settle(plan.text(SETTLE, ticket, next(self._settled), then))
        excess = [max(has - was, 0) if dated else 0 for was, has, dated in zip(counted, used, calendar, strict=True)]
        if any(excess):
            # Under a ticket that nobody has taken, all of it is counted as new.
            now = self._plan_of(plan.charges)
            self._link.settle(now.text(SETTLE, ticket + "+", next(self._settled), excess))

    def _plan_of(self, charges: tuple[Charge, ...]) -> Plan:
        # Whoever charges keeps the same tuples; comparing them costs more than asking which one it is.
        plan = self._plans.get(id(charges))
        if plan is None or plan.charges is not charges or self._clock.unix_us() * 1000 >= plan.until_ns:
            while len(self._plans) >= _MOST_PLANS:
                del self._plans[next(iter(self._plans))]
            now_ns = self._clock.unix_us() * 1000
            plan = self._plans[id(charges)] = Plan(charges, self._link.record, self._opening, now_ns, self._ttl_us)
        return plan

    def _without(
        self, plan: Plan, amounts: Amounts, ticket: str, counted: list[int], *, asked: bool
    ) -> Holding | Refusal:
        """Decide without the store, which has perhaps counted the call and not said so."""
        self._link.counts.without += 1
        beside: Holding | Refusal | None = None
        if self.otherwise == "local":
            beside = self._share.take(plan.charges, plan.told, amounts, self._link.counts.workers)
        if self.otherwise == "deny" or isinstance(beside, Refusal):
            if asked:
                self._forget(plan, ticket, counted)
            if isinstance(beside, Refusal):
                return beside
            raise StoreUnavailable("The store of limits does not answer.")
        return SharedHolding(self, plan, ticket, counted, [], beside)

    def _forget(self, plan: Plan, ticket: str, counted: list[int]) -> None:
        """Give back what a call has perhaps taken, its request too: it was never made."""
        self._link.settle(plan.text(SETTLE, ticket, next(self._settled), [0] * len(counted)))
