"""What answers that nobody gets may cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.hedge_budget import SAVED_CALLS, SAVED_SHARES, Amount, HedgeBudget

AMOUNTS = st.builds(Amount, tokens=st.integers(0, 5000), nanousd=st.none() | st.integers(0, 10**9))


def test_nothing_is_there_before_a_call_has_paid_in():
    budget = HedgeBudget(0.1)
    assert not budget.take(Amount(1.0))
    for _ in range(10):
        budget.earn(Amount(100.0, 1000.0))
    assert budget.take(Amount(60.0, 900.0))
    assert not budget.take(Amount(60.0, 50.0))
    assert budget.take(Amount(30.0, 90.0))


def test_tokens_that_cost_nothing_are_work_all_the_same():
    budget = HedgeBudget(0.1)
    for _ in range(10):
        budget.earn(Amount(100.0, 0.0))
    assert budget.take(Amount(100.0, 0.0))
    assert not budget.take(Amount(100.0, 0.0))


def test_money_that_is_not_there_is_not_spent_however_few_the_tokens():
    budget = HedgeBudget(0.1)
    for _ in range(10):
        budget.earn(Amount(100.0, 10.0))
    assert not budget.take(Amount(1.0, 11.0))
    assert budget.take(Amount(1.0, None))


def test_what_was_taken_is_put_right():
    budget = HedgeBudget(0.5)
    for _ in range(2):
        budget.earn(Amount(100.0, 100.0))
    likely = Amount(100.0, 100.0)
    assert budget.take(likely)
    budget.correct(likely, Amount(0.0, 0.0))
    assert budget.take(likely)
    budget.correct(likely, Amount(150.0, 150.0))
    for _ in range(2):
        budget.earn(Amount(100.0, 100.0))
    assert not budget.take(likely)
    assert budget.take(Amount(50.0, 50.0))


def test_a_quiet_hour_does_not_pay_for_a_wild_minute():
    budget = HedgeBudget(0.1)
    for _ in range(10_000):
        budget.earn(Amount(100.0, 100.0))
    taken = sum(budget.take(Amount(100.0, 100.0)) for _ in range(10_000))
    assert taken <= 0.1 * SAVED_SHARES


def test_a_small_share_pays_for_an_answer_now_and_then():
    budget, taken = HedgeBudget(0.01), 0
    for _ in range(1000):
        budget.earn(Amount(100.0, 100.0))
        taken += budget.take(Amount(100.0, 100.0))
    assert 9 <= taken <= 10
    for _ in range(1000):
        budget.earn(Amount(100.0, 100.0))
    assert sum(budget.take(Amount(100.0, 100.0)) for _ in range(10)) <= SAVED_CALLS


@given(st.lists(st.tuples(st.booleans(), AMOUNTS), max_size=60), st.sampled_from([0.01, 0.1, 0.5]))
def test_never_more_than_the_share(steps: list[tuple[bool, Amount]], share: float):
    budget = HedgeBudget(share)
    tokens = nanousd = spent_tokens = spent_nanousd = 0.0
    for pays, amount in steps:
        if pays:
            budget.earn(amount)
            tokens += amount.tokens
            nanousd += amount.nanousd or 0.0
        elif budget.take(amount):
            spent_tokens += amount.tokens
            spent_nanousd += amount.nanousd or 0.0
    assert spent_tokens <= share * tokens + 1e-6
    assert spent_nanousd <= share * nanousd + 1e-6
