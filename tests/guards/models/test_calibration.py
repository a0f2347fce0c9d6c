from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.models.calibration import MIN_FLAGGED, Table, table, wilson

SCORES = st.lists(st.floats(0, 1, width=32), min_size=8, max_size=400)
THOUSAND = table([number / 1_000 for number in range(1_000)], "the numbers")


def test_a_threshold_flags_the_share_that_was_asked_for() -> None:
    assert THOUSAND.threshold(0.01) == pytest.approx(0.990)
    assert THOUSAND.rate(THOUSAND.threshold(0.01)) == pytest.approx(0.01)
    assert THOUSAND.rate(THOUSAND.threshold(0.25)) == pytest.approx(0.25, abs=0.005)


@given(SCORES, st.floats(0.02, 1))
def test_a_threshold_never_flags_more_than_was_asked_for(scores: list[float], share: float) -> None:
    made = table(scores)
    if share < made.smallest_rate:
        with pytest.raises(ValueError, match="cannot be measured"):
            made.threshold(share)
        return
    at = made.threshold(share)
    flagged = sum(score >= at for score in scores) / len(scores)
    assert flagged <= share + 1 / len(scores)


@given(SCORES, st.floats(0.02, 1), st.floats(0.02, 1))
def test_a_smaller_share_has_a_higher_threshold(scores: list[float], one: float, other: float) -> None:
    made = table(scores)
    low, high = sorted((max(one, made.smallest_rate), max(other, made.smallest_rate)))
    if high <= 1:
        assert made.threshold(low) >= made.threshold(high)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, 0.0001, MIN_FLAGGED / 1_000 - 1e-9])
def test_a_share_that_was_not_measured_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="false-positive rate"):
        THOUSAND.threshold(share)


def test_the_refusal_says_what_can_be_measured() -> None:
    with pytest.raises(ValueError, match=r"1000 texts; the smallest that can is 0\.004"):
        THOUSAND.threshold(0.001)


def test_no_scores_make_no_table() -> None:
    with pytest.raises(ValueError, match="no table"):
        table([])


def test_a_large_table_keeps_its_high_end() -> None:
    made = table([number / 100_000 for number in range(100_000)])
    assert len(made.scores) <= 513
    assert made.rate(made.threshold(0.001)) == pytest.approx(0.001, abs=1e-5)
    assert made.flagged[-1] == 100_000


def test_all_alike_are_flagged_together_or_not_at_all() -> None:
    made = table([0.3] * 100)
    assert made.rate(0.3) == 1.0
    assert made.threshold(0.5) > 0.3


def test_bounds_hold_the_share_and_narrow_with_more_texts() -> None:
    low, high = THOUSAND.bounds(THOUSAND.threshold(0.01))
    assert low < 0.01 < high
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 1_000)[1] - wilson(10, 1_000)[0] < wilson(1, 100)[1] - wilson(1, 100)[0]
    # The textbook's value.
    assert wilson(10, 1_000) == pytest.approx((0.005445, 0.018308), abs=1e-5)


def test_an_empty_table_measures_nothing() -> None:
    assert Table(texts=0, scores=(), flagged=()).smallest_rate == 1.0
