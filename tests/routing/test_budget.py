"""Retries are a tenth of the calls, and a few for those who make few calls."""

from __future__ import annotations

from gateway.routing.budget import RESERVE, RetryBudget


def test_a_tenth_of_the_calls_beyond_the_reserve():
    budget = RetryBudget(0.0)
    taken = 0
    for _ in range(10_000):
        budget.call()
        taken += budget.take(0.0)
    assert 1000 <= taken <= 1000 + RESERVE


def test_the_reserve_comes_back_with_time():
    budget = RetryBudget(0.0)
    assert sum(budget.take(0.0) for _ in range(100)) == RESERVE
    assert not budget.take(1.0)
    assert budget.take(5.1)
    assert sum(budget.take(1000.0) for _ in range(100)) == RESERVE
