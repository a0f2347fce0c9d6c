"""Stores of limits as one suite sees them: asked one after the other, with a clock at hand."""

from __future__ import annotations

from typing import Protocol

from gateway.accounting.memory_state import MemoryState
from gateway.core.limit_state import Amounts, Charge, Holding, Quantity, Refusal
from gateway.core.limits import LimitRule, Period
from tests.support.clock import ManualClock
from tests.support.redis_states import RedisStore

RULE = LimitRule(scope="team", requests=(1, 60))
TTL_S = 900.0


class Store(Protocol):
    """A store under test. Whatever it does later than it is asked is done when a method returns."""

    clock: ManualClock

    def take(self, charges: tuple[Charge, ...], amounts: Amounts) -> Holding | Refusal: ...

    def extend(self, holding: Holding, tokens: int, nanousd: int) -> bool: ...

    def settle(self, holding: Holding, tokens: int | None, nanousd: int | None) -> None: ...

    def void(self, holding: Holding) -> None: ...

    def close(self) -> None: ...


class MemoryStore:
    """The one in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self._state = MemoryState(self.clock, lease_ttl_s=TTL_S)

    def take(self, charges: tuple[Charge, ...], amounts: Amounts) -> Holding | Refusal:
        return self._state.take(charges, amounts)

    def extend(self, holding: Holding, tokens: int, nanousd: int) -> bool:
        told: list[bool] = []
        holding.extend(tokens, nanousd, told.append)
        return told[0]

    def settle(self, holding: Holding, tokens: int | None, nanousd: int | None) -> None:
        holding.settle(tokens, nanousd)

    def void(self, holding: Holding) -> None:
        holding.void()

    def close(self) -> None:
        """There is nothing to close."""


# By name; every store is in here, and the suite holds for all of them.
STORES: dict[str, type[Store]] = {"memory": MemoryStore, "redis": RedisStore}


def charge(quantity: Quantity, limit: int, per: Period | float | None = 60.0, whose: str = "a") -> Charge:
    period = per if isinstance(per, Period) else None if per is None else Period(seconds=per)
    named = "" if period is None else period.name
    return Charge(name=f"x/{quantity.name}/{named}:{whose}", quantity=quantity, limit=limit, period=period, rule=RULE)
