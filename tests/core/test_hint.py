"""What workers tell of hints is added up."""

from __future__ import annotations

from gateway.core.hint import HintCounts, hints_added_up


def test_workers_are_added_up_and_one_without_connection_is_seen():
    good, bad = HintCounts(connected=True, told=1, believed=2, failed=3), HintCounts(told=1)
    assert hints_added_up([good, None, good]) == HintCounts(connected=True, told=2, believed=4, failed=6)
    assert hints_added_up([good, bad]) == HintCounts(connected=False, told=2, believed=2, failed=3)
    assert hints_added_up([None]) is None
