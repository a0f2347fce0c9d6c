from __future__ import annotations

from gateway.core.cache_survey import Tally


def test_entries_are_added_up_by_whose_they_are_the_largest_first():
    tally = Tally()
    tally.add(("a", "x", "m"), size=10, hits=2, cost=7, stored_s=50)
    tally.add(("b", "x", "m"), size=100, hits=0, cost=9, stored_s=60)
    tally.add(("a", "x", "m"), size=20, hits=1, cost=1, stored_s=40)
    first, second = tally.parts()
    assert (first.tenant, first.entries, first.bytes, first.saved_nanousd) == ("b", 1, 100, 0)
    assert (second.entries, second.bytes, second.hits, second.saved_nanousd, second.oldest_s) == (2, 30, 3, 15, 40)
