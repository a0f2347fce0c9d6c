"""Who fails more often than its peers, and who may be left alone for it."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import OutlierRule
from gateway.routing.outlier import Outliers

RULE = OutlierRule()


def calls(outliers: Outliers, shares: list[float], number: int, now_s: float = 0.0, every_s: float = 0.01) -> float:
    """Calls in turn, of which a share fails at each place, evenly."""
    failed = [0.0] * len(shares)
    for turn in range(number):
        place = turn % len(shares)
        failed[place] += shares[place]
        bad = failed[place] >= 1.0
        failed[place] -= bad
        outliers.note(place, now_s, bad=bad)
        now_s += every_s
    return now_s


def test_who_fails_a_third_of_its_calls_is_left_alone_and_then_begins_anew():
    outliers = Outliers(RULE, 3)
    now_s = calls(outliers, [1 / 3, 0.0, 0.02], 300)
    assert list(outliers.out(now_s)) == [0]
    until_s = outliers.out(now_s)[0]
    assert not outliers.out(until_s)
    # Nothing of before is held against it; but a second time lasts longer.
    now_s = calls(outliers, [1 / 3, 0.0, 0.02], 30, until_s)
    assert not outliers.out(now_s)
    now_s = calls(outliers, [1 / 3, 0.0, 0.02], 300, now_s)
    assert outliers.out(now_s)[0] > now_s + RULE.eject_s


def test_where_all_fail_alike_none_stands_out():
    outliers = Outliers(RULE, 4)
    assert not outliers.out(calls(outliers, [0.4] * 4, 2000))
    by_chance, random = Outliers(RULE, 2), Random(5)
    for turn in range(4000):
        by_chance.note(turn % 2, turn * 0.01, bad=random.random() < 0.2)
    assert not by_chance.out(40.0)


def test_few_calls_say_nothing():
    outliers = Outliers(RULE, 2)
    assert not outliers.out(calls(outliers, [1.0, 0.0], 2 * (RULE.min_calls - 1)))
    assert outliers.out(calls(outliers, [1.0, 0.0], 4, 0.99))


def test_calls_of_long_ago_do_not_count():
    outliers = Outliers(RULE, 2)
    calls(outliers, [1.0, 0.0], 90)
    assert not outliers.out(calls(outliers, [1.0, 0.0], 90, RULE.window_s * 2))


def test_a_good_window_makes_good():
    outliers = Outliers(OutlierRule(eject_s=1.0, window_s=1.0), 2)
    now_s = calls(outliers, [1.0, 0.0], 200, every_s=0.001)
    now_s = calls(outliers, [0.0, 0.0], 4000, now_s + 1.0, every_s=0.001)
    now_s = calls(outliers, [1.0, 0.0], 200, now_s, every_s=0.001)
    assert outliers.out(now_s)[0] <= now_s + 1.0


@given(
    st.integers(1, 8),
    st.sampled_from([0.0, 0.1, 0.34, 0.5, 0.9, 1.0]),
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=400),
)
def test_there_is_a_floor(number: int, most: float, told: list[tuple[int, bool]]):
    outliers = Outliers(OutlierRule(most=most, min_calls=1, below=0.01), number)
    for turn, (place, bad) in enumerate(told):
        outliers.note(place, turn * 0.1, bad=bad)
        out = outliers.out(turn * 0.1)
        assert len(out) <= min(number - 1, int(most * number))
        assert all(each < number for each in out)
    assert outliers.possible == (number > 1 and most * number >= 1)
