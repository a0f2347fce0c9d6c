from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.accounting.limits import Lease, Limits
from gateway.accounting.memory_state import MemoryState
from gateway.accounting.rebuilding import Restorer, edges_of, periods_of
from gateway.core.errors import BudgetExceeded, RateLimited
from gateway.core.exchange import Principal
from gateway.core.limits import Budget, LimitRule, Period
from gateway.core.recorded import Line, Tally
from tests.support.clock import ManualClock

TRIED = [msgspec.Raw(b"{}")]
DAY = Period(calendar="day", zone="Asia/Kathmandu")
MONTH = Period(calendar="month", zone="Europe/Berlin")
RULES = (
    LimitRule(scope="key", budget=Budget(nanousd=1000, per=DAY)),
    LimitRule(scope="team", requests=(50, 3600.0), tokens=(10, 60.0)),
    LimitRule(scope="tag", cost=Budget(nanousd=500, per=MONTH)),
)


class Desk:
    """Limits that a gateway begins with, after one that was there an hour long."""

    def __init__(self, *rules: LimitRule, own: Budget | None = None) -> None:
        self.clock = ManualClock()
        self.limits = Limits(rules, self.clock, MemoryState(self.clock))
        budgets = {} if own is None else {"a": own}
        self.budgets = budgets
        self.edges = edges_of(periods_of(rules, budgets.values()), self.clock.unix_us())

    def restore(self, *lines: Line) -> None:
        tally = Tally(self.edges, tags=True)
        for line in lines:
            tally.add_line(line)
        restorer = Restorer(self.limits, self.edges, self.budgets, self.clock.unix_us())
        for used in tally.all():
            restorer.restore(used)

    def line(self, ago_s: float, nanousd: int = 0, **fields) -> Line:
        started_us = self.clock.unix_us() - int(ago_s * 1e6)
        return Line(started_us=started_us, key_id="a", attempts=TRIED, cost_nanousd=nanousd, **fields)

    def take(self, nanousd: int, **who) -> Lease:
        principal = Principal(key_id="a", budget=self.budgets.get("a"), **who)
        return self.limits.take(self.limits.falling(principal, ("m", "p")), (1, nanousd))


def test_no_long_period_asks_for_nothing() -> None:
    short = LimitRule(scope="key", requests=(5, 60.0), tokens=(5, 3599.0), concurrency=3)
    assert periods_of([short], []) == set()
    assert len(edges_of((), 7)) == 1
    assert periods_of(RULES, [Budget(nanousd=1, per=Period(seconds=86_400.0))]) == {
        DAY, MONTH, Period(seconds=3600.0), Period(seconds=86_400.0),
    }  # fmt: skip


def test_a_budget_is_as_used_up_as_it_was() -> None:
    desk = Desk(LimitRule(scope="key", budget=Budget(nanousd=1000, per=DAY)))
    desk.restore(desk.line(5, 600), desk.line(1, 300))
    desk.take(100)
    with pytest.raises(BudgetExceeded):
        desk.take(1)


def test_a_budget_of_a_keys_own_too() -> None:
    desk = Desk(own=Budget(nanousd=1000, per=MONTH))
    desk.restore(desk.line(5, 1000))
    with pytest.raises(BudgetExceeded):
        desk.take(1)


def test_what_was_spent_before_the_period_does_not_count() -> None:
    desk = Desk(LimitRule(scope="key", budget=Budget(nanousd=1000, per=DAY)))
    before = (desk.clock.unix_us() - desk.edges[0]) / 1e6 + 0.000001
    desk.restore(desk.line(before, 1000))
    desk.take(1000)
    # All of the period's own was there.
    with pytest.raises(BudgetExceeded):
        desk.take(1)


def test_tags_and_requests_count_again() -> None:
    desk = Desk(LimitRule(scope="tag", requests=(2, 3600.0)))
    desk.restore(*(desk.line(n, tags={"project": "x"}) for n in range(1, 3)))
    desk.take(0, tags={"project": "y"})
    with pytest.raises(RateLimited):
        desk.take(0, tags={"project": "x"})


@settings(max_examples=60)
@given(ago_s=st.floats(0.001, 3599.0), later_s=st.floats(0.0, 7200.0))
def test_in_a_window_nothing_leaves_sooner_than_it_would_have_and_all_of_it_in_time(ago_s: float, later_s: float):
    desk = Desk(LimitRule(scope="key", cost=Budget(nanousd=10, per=Period(seconds=3600.0))))
    desk.restore(desk.line(ago_s, 10))
    desk.clock.advance(later_s)
    age_s = ago_s + later_s
    if age_s < 3600.0 - 0.001:
        with pytest.raises(BudgetExceeded):
            desk.take(10)
    elif age_s > 3600.0 * (1 + 3 / 20):
        desk.take(10)
