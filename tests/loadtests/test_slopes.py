"""A line through what was measured, and how sure it is."""

from __future__ import annotations

import math
from random import Random

import pytest

from loadtests.slopes import slope

SECONDS = [float(at) for at in range(1_200)]


def test_what_does_not_grow_has_no_slope_and_no_doubt() -> None:
    assert slope(SECONDS, [70.0] * 1_200) == (0.0, 0.0)


def test_what_grows_evenly_is_told_to_the_megabyte() -> None:
    found = slope(SECONDS, [70 + 3.6 * at / 3600 for at in SECONDS])
    assert found.per_hour == pytest.approx(3.6)
    assert found.half < 0.01


def test_growth_in_noise_lies_within_what_is_told_and_rest_does_not_look_like_growth() -> None:
    within = still = 0
    for seed in range(60):
        noise = Random(seed)
        values = [noise.gauss(0, 2) for _ in SECONDS]
        found = slope(SECONDS, [each + 20 * at / 3600 for each, at in zip(values, SECONDS, strict=True)])
        within += found.least <= 20 <= found.most
        still += slope(SECONDS, values).least <= 0
    # 95 of 100 intervals, and nearly all lower ends.
    assert within >= 52
    assert still >= 54


def test_one_step_early_on_is_no_slope_that_is_sure() -> None:
    found = slope(SECONDS, [70.0 if at < 90 else 71.0 for at in SECONDS])
    assert found.least < found.per_hour < found.most


def test_too_few_to_say_is_said() -> None:
    assert slope([1.0, 2.0], [1.0, 2.0]).half == math.inf
