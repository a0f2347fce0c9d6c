"""This worker's share of what a shared store counts, while the store is silent.

Each counter begins with this worker's share of what the store last said was left, so that a budget that was nearly
spent is still nearly spent. Nothing is told here to the store: the calls themselves do that when they end.
"""

from __future__ import annotations

import msgspec

from gateway.accounting.memory_state import MemoryState
from gateway.clients.clock import Clock
from gateway.core.limit_state import Amounts, Charge, Holding, Quantity, Refusal

_MOST_NAMES = 100_000


class LocalShare:
    """Counters in memory, as much as is ours.

    Args:
        clock: Tells the time.
        lease_ttl_s: How long a seat is held at most.
    """

    def __init__(self, clock: Clock, lease_ttl_s: float) -> None:
        self._clock = clock
        self._lease_ttl_s = lease_ttl_s
        self._state = MemoryState(clock, lease_ttl_s=lease_ttl_s)
        self._begun: set[str] = set()
        self._scaled: dict[int, tuple[tuple[Charge, ...], int, tuple[Charge, ...]]] = {}

    def clear(self) -> None:
        """Begin anew: the store has answered again."""
        if self._begun:
            self._state = MemoryState(self._clock, lease_ttl_s=self._lease_ttl_s)
            self._begun.clear()

    def take(
        self, charges: tuple[Charge, ...], told: list[int] | None, amounts: Amounts, workers: int
    ) -> Holding | Refusal:
        """Take from this worker's share.

        Args:
            charges: As they are for all workers together.
            told: What the store last said of each: what was left, and another number.
            amounts: What the call needs.
            workers: How many share.
        """
        mine = self._scale(charges, workers)
        for place, (charge, whole) in enumerate(zip(mine, charges, strict=True)):
            if charge.name not in self._begun and len(self._begun) < _MOST_NAMES:
                self._begun.add(charge.name)
                if told is not None and charge.quantity is not Quantity.SEATS:
                    left = max(0, min(told[place * 2], whole.limit)) // workers
                    self._state.restore(charge, max(0, charge.limit - left), 0.0)
        return self._state.take(mine, amounts)

    def _scale(self, charges: tuple[Charge, ...], workers: int) -> tuple[Charge, ...]:
        known = self._scaled.get(id(charges))
        if known is not None and known[0] is charges and known[1] == workers:
            return known[2]
        if len(self._scaled) >= _MOST_NAMES:
            self._scaled.clear()
        mine = tuple(
            msgspec.structs.replace(charge, limit=max(1, charge.limit // max(1, workers))) for charge in charges
        )
        self._scaled[id(charges)] = charges, workers, mine
        return mine
