"""What a worker may spend by itself: its share of what there was when the store fell silent, and no more."""

from __future__ import annotations

from gateway.accounting.local_share import LocalShare
from gateway.core.limit_state import Charge, Holding, Quantity, Refusal
from gateway.core.limits import Period
from tests.support.clock import ManualClock
from tests.support.limit_states import charge

TOKENS = charge(Quantity.TOKENS, 100)
MONEY = charge(Quantity.NANOUSD, 1000, Period(calendar="month"))
SEATS = charge(Quantity.SEATS, 5, None)


def share() -> LocalShare:
    return LocalShare(ManualClock(), 900.0)


def spent(share: LocalShare, charges: tuple[Charge, ...], told: list[int] | None, workers: int) -> int:
    """How many calls of ten tokens and a hundred nano-dollars pass."""
    passed = 0
    while not isinstance(share.take(charges, told, (1, 10, 100), workers), Refusal):
        passed += 1
    return passed


def test_each_worker_has_its_part_of_everything():
    assert spent(share(), (TOKENS,), None, 1) == 10
    assert spent(share(), (TOKENS,), None, 3) == 3
    assert spent(share(), (MONEY,), None, 4) == 2
    assert spent(share(), (SEATS,), None, 2) == 2
    # Never less than one: else a limit with many workers would be none.
    assert spent(share(), (SEATS,), None, 50) == 1


def test_what_was_spent_before_the_store_fell_silent_stays_spent():
    charges = (TOKENS, MONEY)
    assert spent(share(), charges, [100, 0, 350, 0], 1) == 3
    assert spent(share(), charges, [100, 0, 900, 0], 2) == 4
    assert spent(share(), charges, [100, 0, 0, 0], 2) == 0
    assert spent(share(), charges, [-50, 0, 900, 0], 1) == 0


def test_what_the_store_said_counts_once_and_is_forgotten_when_it_answers_again():
    one, charges = share(), (MONEY,)
    assert spent(one, charges, [400, 0], 1) == 4
    assert spent(one, charges, [900, 0], 1) == 0
    one.clear()
    one.clear()
    assert spent(one, charges, [900, 0], 1) == 9


def test_what_a_call_did_not_use_is_there_for_the_next():
    one = share()
    taken = one.take((TOKENS,), None, (1, 100, 0), 1)
    assert not isinstance(taken, Refusal)
    assert isinstance(one.take((TOKENS,), None, (1, 10, 0), 1), Refusal)
    held: Holding = taken
    held.settle(10, None)
    assert spent(one, (TOKENS,), None, 1) == 9
