"""What share of calls waits how long, from a bounded histogram that forgets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.waits import ENOUGH, LONGEST_S, SHORTEST_S, STEP, Waits

SECONDS = st.floats(SHORTEST_S, LONGEST_S)


def test_nothing_is_said_of_a_few():
    waits = Waits()
    for _ in range(ENOUGH - 1):
        waits.note(1.0)
        assert waits.within_s(0.95) is None
    waits.note(1.0)
    assert waits.within_s(0.95) == pytest.approx(1.0, rel=0.1)


@given(st.lists(SECONDS, min_size=ENOUGH, max_size=200), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_what_is_read_is_the_quantile_but_for_a_tenth(seconds: list[float], share: float):
    waits = Waits()
    for each in seconds:
        waits.note(each)
    # As many are longer as the share says, and not one more.
    longer = len(seconds) * (1.0 - share)
    exact = sorted(seconds, reverse=True)[int(longer)]
    read = waits.within_s(share)
    assert read is not None
    assert exact / STEP <= read <= exact * STEP


def test_what_was_long_ago_is_outweighed():
    waits = Waits()
    for _ in range(5000):
        waits.note(0.1)
    for _ in range(5000):
        waits.note(3.0)
    assert waits.within_s(0.5) == pytest.approx(3.0, rel=0.1)


def test_any_wait_can_be_noted_and_memory_stays_as_it_is():
    waits = Waits()
    for wait_s in (-1.0, 0.0, 1e-9, 1e9, SHORTEST_S, LONGEST_S) * 300:
        waits.note(wait_s)
    assert waits.within_s(0.99) == pytest.approx(LONGEST_S, rel=0.1)
    assert waits.within_s(0.05) == pytest.approx(SHORTEST_S, rel=0.1)


def test_what_was_read_is_read_again_when_there_is_news():
    waits = Waits()
    for _ in range(ENOUGH):
        waits.note(0.1)
    before = waits.within_s(0.95)
    for _ in range(50):
        waits.note(5.0)
    after = waits.within_s(0.95)
    assert before is not None
    assert after is not None
    assert after > before * 10
