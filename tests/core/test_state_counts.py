"""Counts of several workers, put together."""

from __future__ import annotations

from gateway.core.state_counts import StateCounts, states_added_up


def test_workers_add_up_and_one_that_is_cut_off_is_told_of():
    one = StateCounts(connected=True, asked=1, late=2, without=3, emptied=4, waiting=5, dropped=6, workers=2)
    two = StateCounts(connected=False, asked=10, late=20, without=30, emptied=40, waiting=50, dropped=60, workers=1)
    assert states_added_up([one, None, two]) == StateCounts(
        connected=False, asked=11, late=22, without=33, emptied=44, waiting=55, dropped=66, workers=2
    )
    assert states_added_up([None]) is None
