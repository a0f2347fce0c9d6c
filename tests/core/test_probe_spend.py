from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.probe_spend import US_A_DAY, ProbeSpend


def test_no_more_is_spent_in_a_day_than_may_be_and_the_next_day_is_another():
    spend = ProbeSpend(alias="m")
    assert spend.hold(5, 60, 100, 0)
    assert not spend.hold(6, 60, 100, 0)
    # It cost less than was taken for it.
    spend.settle(60, 10)
    assert spend.hold(7, 60, 100, 0)
    spend.settle(60, None)
    assert (spend.spent_nanousd, spend.total_nanousd, spend.held_back) == (70, 70, 1)
    assert spend.hold(US_A_DAY, 60, 100, 0)
    assert (spend.spent_nanousd, spend.total_nanousd) == (60, 130)


def test_what_has_no_price_is_counted():
    spend = ProbeSpend(alias="m")
    assert [spend.hold(0, None, 0, 2) for _ in range(3)] == [True, True, False]
    spend.settle(None, 5)
    assert (spend.unpriced, spend.held_back, spend.spent_nanousd) == (2, 1, 5)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), max_size=50), st.integers(0, 200))
def test_the_day_s_cap_holds_when_probes_cost_no_more_than_was_taken_for_them(
    probes: list[tuple[int, float]], most: int
):
    spend = ProbeSpend(alias="m")
    for likely, share in probes:
        if spend.hold(0, likely, most, 0):
            spend.settle(likely, int(likely * share))
        assert 0 <= spend.spent_nanousd <= most
