"""Distances are those of a kept library, and what is told depends on how sure it is."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.drift import (
    Sample,
    Thresholds,
    added,
    bin_of,
    cosine_distance,
    judge,
    middle_of,
    psi,
    wasserstein,
)

COUNTS = st.dictionaries(st.integers(0, 60), st.integers(1, 20), min_size=1, max_size=8)


def numbers(values: list[float]) -> Sample:
    bins: dict[int, int] = {}
    for value in values:
        bins[bin_of(value)] = bins.get(bin_of(value), 0) + 1
    return Sample(len(values), bins=bins)


def drawn(chance: random.Random, middle: float, number: int) -> Sample:
    return numbers([chance.lognormvariate(math.log(middle), 0.7) for _ in range(number)])


@settings(max_examples=40)
@given(COUNTS, COUNTS)
def test_the_earth_is_moved_as_far_as_between_the_two_sets_of_calls_in_order(
    one: dict[int, int], other: dict[int, int]
) -> None:
    # Every call of one against the call of the same rank of the other, once both are as many.
    ours = np.repeat(sorted(one), [one[place] * sum(other.values()) for place in sorted(one)])
    theirs = np.repeat(sorted(other), [other[place] * sum(one.values()) for place in sorted(other)])
    assert wasserstein(one, other) == pytest.approx(float(np.abs(ours - theirs).mean()), abs=1e-9)


@settings(max_examples=40)
@given(COUNTS, COUNTS)
def test_a_kept_library_says_the_same(one: dict[int, int], other: dict[int, int]) -> None:
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.wasserstein_distance(list(one), list(other), list(one.values()), list(other.values()))
    assert wasserstein(one, other) == pytest.approx(float(theirs), abs=1e-9)


def test_the_index_is_nothing_between_equals_and_grows_either_way() -> None:
    assert psi([0.5, 0.5], [0.5, 0.5]) == 0
    assert psi([0.7, 0.3], [0.5, 0.5]) == pytest.approx(0.2 * math.log(0.7 / 0.5) - 0.2 * math.log(0.3 / 0.5))
    assert psi([0.7, 0.3], [0.5, 0.5]) == pytest.approx(psi([0.5, 0.5], [0.7, 0.3]))


@given(st.floats(0, 1e12))
def test_a_bin_is_a_quarter_of_a_doubling(value: float) -> None:
    low, high = middle_of(bin_of(value) / 4), middle_of((bin_of(value) + 1) / 4)
    assert low <= value * (1 + 1e-9) + 1e-9
    assert value <= high * (1 + 1e-9) + 1e-9
    assert high + 1 == pytest.approx((low + 1) * 2**0.25)


def test_ten_calls_say_nothing() -> None:
    found = judge("rate", Sample(10, 10), Sample(1000, 10), (), Thresholds())
    assert (found.state, found.count, found.usual_count) == ("too little data", 10, 1000)
    assert judge("rate", Sample(), Sample(), (), Thresholds()).state == "not measured"


@pytest.mark.parametrize(
    ("hits", "state"), [(10, "quiet"), (20, "quiet"), (25, "quiet"), (60, "drifting"), (400, "drifting")]
)
def test_a_rate_is_told_where_chance_does_not_explain_it(hits: int, state: str) -> None:
    assert judge("rate", Sample(500, hits), Sample(2000, 40), (), Thresholds()).state == state


def test_a_rate_that_was_always_uneven_is_no_news() -> None:
    window, usual = Sample(500, 60), Sample(2000, 40)
    even = [(Sample(500, 10), usual)] * 20
    uneven = [(Sample(500, number), usual) for number in range(0, 80, 4)]
    assert judge("rate", window, usual, even, Thresholds()).state == "drifting"
    assert judge("rate", window, usual, uneven, Thresholds()).state == "quiet"


def test_a_rate_of_many_calls_must_still_be_worth_a_word() -> None:
    assert judge("rate", Sample(10**6, 20_000), Sample(10**7, 100_000), (), Thresholds()).state == "quiet"


@pytest.mark.parametrize(("times", "state"), [(1.0, "quiet"), (1.1, "quiet"), (1.6, "drifting"), (0.5, "drifting")])
def test_lengths_that_move_are_told_with_the_way_they_went(times: float, state: str) -> None:
    chance = random.Random(4)
    found = judge("numbers", drawn(chance, 200 * times, 1500), drawn(chance, 200, 6000), (), Thresholds())
    assert found.state == state
    assert found.now == pytest.approx(200 * times, rel=0.1)
    assert found.usual == pytest.approx(200, rel=0.1)
    if state == "drifting":
        assert found.shift == pytest.approx(math.log2(times), abs=0.1)


def test_lengths_whose_middle_stays_can_have_another_shape() -> None:
    chance = random.Random(5)
    spread = [chance.choice((40.0, 1000.0)) for _ in range(1500)]
    found = judge("numbers", numbers(spread), drawn(chance, 200, 6000), (), Thresholds())
    assert found.state == "drifting"
    assert found.psi is not None
    assert found.psi > 0.5


def test_a_word_that_is_new_is_named() -> None:
    usual = Sample(1200, names={"en": 1100, "de": 90, "": 10})
    found = judge("words", Sample(300, names={"en": 200, "de": 20, "pt": 80}), usual, (), Thresholds())
    assert (found.state, found.what, found.usual) == ("drifting", "pt", 0)
    assert found.now == pytest.approx(80 / 300)
    same = judge("words", Sample(300, names={"en": 272, "de": 25, "": 3}), usual, (), Thresholds())
    assert same.state == "quiet"


def vectors(chance: random.Random, centre: list[float], number: int) -> Sample:
    total = [0.0] * len(centre)
    for _ in range(number):
        made = [part + chance.gauss(0, 0.3) for part in centre]
        length = math.hypot(*made)
        total = [one + part / length for one, part in zip(total, made, strict=True)]
    return Sample(number, total=total)


def test_questions_about_something_else_are_far_and_few_of_the_same_are_not() -> None:
    chance = random.Random(6)
    one, other = [1.0] + [0.0] * 31, [0.6, 0.8] + [0.0] * 30
    usual = vectors(chance, one, 1200)
    far = judge("vectors", vectors(chance, other, 300), usual, (), Thresholds())
    near = judge("vectors", vectors(chance, one, 100), usual, (), Thresholds())
    assert far.state == "drifting"
    assert near.state == "quiet"
    assert (far.distance or 0) > 10 * (near.distance or 0)


def test_a_direction_that_is_none_is_no_distance() -> None:
    assert cosine_distance([0.0, 0.0], [1.0, 0.0]) == 0
    assert cosine_distance([1.0, 0.0], [0.0, 2.0]) == 1


def test_samples_add_up() -> None:
    one = Sample(2, 1, {3: 2}, {"en": 2}, [1.0, 2.0])
    other = Sample(3, 0, {3: 1, 5: 2}, {"de": 3}, [0.5, 0.5])
    whole = added([one, Sample(), other])
    assert (whole.count, whole.hits, whole.total) == (5, 1, [1.5, 2.5])
    assert (dict(whole.bins), dict(whole.names)) == ({3: 3, 5: 2}, {"en": 2, "de": 3})


def test_chance_alone_is_told_less_than_once_in_a_thousand_comparisons() -> None:
    chance = np.random.default_rng(7)
    told = 0
    for _ in range(1500):
        rate = Sample(300, int(chance.binomial(300, 0.03))), Sample(1200, int(chance.binomial(1200, 0.03)))
        words = [
            Sample(size, names=dict(zip("abc", map(int, chance.multinomial(size, (0.6, 0.3, 0.1))), strict=True)))
            for size in (300, 1200)
        ]
        told += judge("rate", *rate, (), Thresholds()).state == "drifting"
        told += judge("words", words[0], words[1], (), Thresholds()).state == "drifting"
    assert told <= 3
