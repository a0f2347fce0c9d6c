"""Queues of several workers become one by alias."""

from __future__ import annotations

from gateway.core.queue_told import QueueCounts, queues_added_up


def test_workers_are_added_up_by_alias():
    one = QueueCounts(alias="b", waiting=1, served=2, turned_away=3, late=4, left=5, waited_s=0.5)
    assert queues_added_up([[one], [one, QueueCounts(alias="a", served=1)]]) == [
        QueueCounts(alias="a", served=1),
        QueueCounts(alias="b", waiting=2, served=4, turned_away=6, late=8, left=10, waited_s=1.0),
    ]
    # What was added up is left as it is.
    assert one.served == 2
