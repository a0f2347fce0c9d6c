"""Where limits are counted, as a seam: in this process' memory, or in a store that gateways share.

A call draws on counters, by :class:`Charge`; it takes its share of all of them, or of none. One suite,
``tests/accounting/test_state.py``, holds for every kind of store.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

import msgspec

from gateway.core.limits import LimitRule, Period
from gateway.core.usage import Usage


class Quantity(IntEnum):
    """What a counter counts; at once the place of its amount in :class:`Amounts`."""

    REQUESTS = 0
    TOKENS = 1
    NANOUSD = 2
    SEATS = 3


# How many requests (1), tokens and nano-dollars a call takes.
Amounts = tuple[int, int, int]


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One counter that a call draws on.

    Attributes:
        name: Of the counter: what is counted and over which period, then a colon, then whose it is, in which anything
            may stand. The same in every process, after a restart, and when the limit itself is changed.
        quantity: What is counted.
        limit: The most there may be. An amount beyond the whole limit is cut to it, or such a call could never run.
        period: Over which; ``None`` for seats.
        rule: Who asks for it, to tell of it.
    """

    name: str
    quantity: Quantity
    limit: int
    period: Period | None
    rule: LimitRule


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How a counter stands after a call has taken its share; ``reset_s``: when all of it will be there again."""

    charge: Charge
    left: int
    reset_s: float


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing was taken. Names the counter for which it takes longest until there is room for all of the call."""

    charge: Charge
    retry_after_s: float
    standings: tuple[Standing, ...] = ()


class Allowance(msgspec.Struct, frozen=True):
    """How the limits stand that a call falls under, and when that was so, in microseconds since 1970."""

    standings: tuple[Standing, ...]
    at_us: int


class Lease(Protocol):
    """What is held for a call: slots, tokens and money that it may use."""

    def settle(self, usage: Usage | None, nanousd: int | None = None) -> None:
        """End the call, once: charge what was used and cost, or what was reserved of what nobody knows."""
        ...

    def void(self) -> None:
        """End a call that never reached a provider: no tokens were used."""
        ...

    def standings(self) -> tuple[Standing, ...]:
        """How the limits stand that the call falls under; nothing when it holds nothing any more."""
        ...


class Holding(Protocol):
    """What a call has taken. Ends once: whatever is called after the first ``settle`` or ``void`` does nothing.

    One that is never ended gives its seats back when its time is over; what it reserved then stays counted.
    """

    def standings(self) -> tuple[Standing, ...]:
        """How the counters stand: of requests and of tokens, the one with the least left as a share of its limit."""
        ...

    def extend(self, tokens: int, nanousd: int, then: Callable[[bool], None]) -> None:
        """Take more, of all counters or of none; ``then`` is told which, at once or when a store has answered.

        What the whole call holds is cut to no limit here: where it has all that there may be, there is no more.
        """
        ...

    def settle(self, tokens: int | None, nanousd: int | None) -> None:
        """End the call: give its seats back, and count what it used in place of what was reserved.

        Args:
            tokens: ``None`` when nobody knows; what was reserved then stays counted.
            nanousd: The same of money.
        """
        ...

    def void(self) -> None:
        """End a call that never reached a provider: no tokens and no money. It still counts as a request."""
        ...


class LimitState(Protocol):
    """A store that answers at once."""

    def take(self, charges: tuple[Charge, ...], amounts: Amounts) -> Holding | Refusal:
        """Take a call's share, and a seat, of all of these counters, or of none."""
        ...

    def restore(self, charge: Charge, amount: int, age_s: float) -> None:
        """Count what was used so many seconds ago, before this process began; beyond the limit too."""
        ...


class SharedLimitState(Protocol):
    """A store that gateways share: one question a call."""

    async def take(self, charges: tuple[Charge, ...], amounts: Amounts) -> Holding | Refusal:
        """As :meth:`LimitState.take`.

        Raises:
            StoreUnavailable: Nobody knows; what then holds is for the caller to say.
        """
        ...
