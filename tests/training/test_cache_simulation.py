from __future__ import annotations

import pytest

from training.cache_simulation import as_measured, stream, upper


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    assert upper(0, 299) == pytest.approx(0.00997, abs=1e-4)
    assert upper(3, 1_000) == pytest.approx(0.00774, abs=1e-4)
    assert upper(100, 40_000) == pytest.approx(0.00295, abs=1e-4)


def test_under_drift_the_promise_is_kept() -> None:
    made = [stream(seed, drift=(0.001, 0.012)) for seed in range(3)]
    served, wrong = sum(each.served for each in made), sum(each.wrong for each in made)
    assert served > 1_000
    assert upper(wrong, served) <= 0.012


def test_when_traffic_shifts_serving_ends_soon() -> None:
    fell = [stream(seed, drift=(0.002, 0.002), shift_at=10_000, shift_to=0.5).fell_after for seed in range(3)]
    assert all(0 <= after <= 400 for after in fell)


def test_with_chances_as_they_were_measured_the_promise_is_kept() -> None:
    made = [stream(seed, neighbour=as_measured()) for seed in range(2)]
    served, wrong = sum(each.served for each in made), sum(each.wrong for each in made)
    assert served > 1_000
    assert upper(wrong, served) <= 0.01
