from __future__ import annotations

from gateway.accounting.memory_state import MemoryState
from gateway.core.limit_state import Quantity, Refusal
from gateway.core.limits import Period
from tests.support.clock import ManualClock
from tests.support.limit_states import charge

DAY = Period(calendar="day")
AMOUNTS = (1, 10, 10)


def money(whose: str, limit: int = 15):
    return (charge(Quantity.NANOUSD, limit, DAY, whose=whose),)


def test_budgets_are_never_forgotten_before_their_time_whoever_comes():
    state = MemoryState(ManualClock(), max_counters=10)
    state.take(money("first"), AMOUNTS)
    for number in range(1000):
        state.take(money(str(number)), AMOUNTS)
    assert len(state) == 11
    assert isinstance(state.take(money("first"), AMOUNTS), Refusal)


def test_short_counters_make_room_for_budgets_and_old_ones_go():
    clock = ManualClock()
    state = MemoryState(clock, max_counters=10)
    for number in range(10):
        state.take((charge(Quantity.REQUESTS, 5, 60.0, whose=str(number)),), AMOUNTS)
    state.take((charge(Quantity.REQUESTS, 5, 60.0, whose="more"),), AMOUNTS)
    assert len(state) == 10
    clock.advance(2 * 86_400)
    for number in range(100, 130):
        state.take((charge(Quantity.REQUESTS, 5, 60.0, whose=str(number)),), AMOUNTS)
    assert len(state) == 10


def test_what_was_used_before_is_counted_where_it_still_matters():
    clock = ManualClock()
    state = MemoryState(clock)
    hours = charge(Quantity.TOKENS, 100, 7200.0)
    for age_s, amount in ((10.0, 30), (7000.0, 40), (8000.0, 1000)):
        state.restore(hours, amount, age_s)
    assert isinstance(state.take((hours,), (1, 31, 0)), Refusal)
    assert not isinstance(state.take((hours,), (1, 30, 0)), Refusal)
    # The older of the two leaves first.
    clock.advance(7200 - 7000 + 400)
    assert not isinstance(state.take((hours,), (1, 40, 0)), Refusal)
    assert isinstance(state.take((hours,), (1, 1, 0)), Refusal)


def test_what_was_overdrawn_before_is_overdrawn_after():
    state = MemoryState(ManualClock())
    budget = charge(Quantity.TOKENS, 15, DAY)
    state.restore(budget, 500, 1.0)
    told = state.take((budget,), AMOUNTS)
    assert isinstance(told, Refusal)
    assert [each.left for each in told.standings] == [0]


def test_a_call_that_has_ended_takes_no_more():
    state = MemoryState(ManualClock())
    holding = state.take(money("a"), AMOUNTS)
    assert not isinstance(holding, Refusal)
    holding.void()
    told: list[bool] = []
    holding.extend(0, 1, told.append)
    assert told == [False]
