"""A breaker: when it opens, what it lets through then, and when it closes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import BreakerRule
from gateway.routing.breaker import Breaker

RULE = BreakerRule(consecutive=3, share=0.5, min_calls=10, window_s=10.0, open_s=2.0, max_open_s=5.0)


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker(RULE)
    for _ in range(3):
        breaker.begin(now_s)
        breaker.fail(now_s)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row():
    breaker = Breaker(RULE)
    breaker.fail(0.0)
    breaker.fail(0.0)
    assert breaker.state(0.0) == "closed"
    breaker.succeed(0.0)
    breaker.fail(0.0)
    breaker.fail(0.0)
    assert breaker.allows(0.0)
    breaker.fail(0.0)
    assert (breaker.state(0.0), breaker.allows(1.9), breaker.opens_at_s()) == ("open", False, 2.0)


def test_it_opens_when_too_large_a_share_fails():
    breaker = Breaker(RULE)
    for number in range(9):
        (breaker.fail if number % 2 else breaker.succeed)(1.0)
    assert breaker.state(1.0) == "closed"
    breaker.fail(1.0)
    assert breaker.state(1.0) == "open"


def test_what_is_older_than_the_window_does_not_count():
    breaker = Breaker(RULE)
    for number in range(9):
        (breaker.fail if number % 2 else breaker.succeed)(1.0)
    breaker.fail(12.0)
    assert breaker.state(12.0) == "closed"


def test_half_open_it_lets_one_through_and_closes_when_that_goes_well():
    breaker = opened()
    assert breaker.state(2.0) == "half_open"
    assert breaker.allows(2.0)
    breaker.begin(2.0)
    assert not breaker.allows(2.0)
    breaker.succeed(2.5)
    assert (breaker.state(2.5), breaker.allows(2.5)) == ("closed", True)


def test_half_open_it_opens_again_for_longer_and_longer_up_to_a_bound():
    breaker = opened()
    for began_s, until_s in ((2.0, 6.0), (6.0, 11.0), (11.0, 16.0)):
        breaker.begin(began_s)
        breaker.fail(began_s)
        assert breaker.opens_at_s() == until_s


def test_a_call_that_says_nothing_lets_the_next_one_show():
    breaker = opened()
    breaker.begin(2.0)
    breaker.give_up()
    assert breaker.allows(2.0)


def test_a_call_from_before_it_opened_does_not_close_it():
    breaker = opened()
    breaker.succeed(0.5)
    assert breaker.state(0.5) == "open"


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["ok", "bad", "none"])), max_size=200))
def test_it_never_stays_shut_for_good(steps: list[tuple[float, str]]):
    breaker, now_s = Breaker(RULE), 0.0
    for wait_s, outcome in steps:
        now_s += wait_s
        if breaker.allows(now_s):
            breaker.begin(now_s)
            if outcome == "none":
                breaker.give_up()
            else:
                (breaker.succeed if outcome == "ok" else breaker.fail)(now_s)
    assert breaker.allows(now_s + RULE.max_open_s)


def test_hearsay_opens_only_what_is_closed_and_is_no_finding():
    breaker = Breaker(BreakerRule())
    assert breaker.hear(0.0, 2.0)
    assert (breaker.state(1.9), breaker.state(2.0), breaker.found_until_s) == ("open", "half_open", 0.0)
    assert not breaker.hear(1.0, 9.0)
    breaker.begin(2.0)
    breaker.fail(2.0)
    # Asked and found failing: left alone for as long as for a first time.
    assert breaker.found_until_s == 4.0
