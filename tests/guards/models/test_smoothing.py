from __future__ import annotations

import numpy as np

from gateway.guards.models.smoothing import factor, factors


def test_a_large_channel_is_made_smaller_by_more() -> None:
    found = factor(np.array([1, 100], dtype=np.float32), np.ones((2, 3), dtype=np.float32))
    assert found[1] > 10 * found[0] > 0


def test_factors_are_about_one_on_the_whole() -> None:
    rng = np.random.default_rng(0)
    found = factor(rng.random(50, dtype=np.float32), rng.random((50, 4), dtype=np.float32))
    assert np.isclose(np.exp(np.log(found).mean()), 1, atol=1e-3)


def test_a_channel_that_is_never_used_does_no_harm() -> None:
    found = factor(np.zeros(3, dtype=np.float32), np.zeros((3, 2), dtype=np.float32))
    assert np.isfinite(found).all()


def test_what_ships_is_for_every_dense_layer_of_the_embedder() -> None:
    found = factors("embedder")
    assert len(found) == 24
    assert all((value > 0).all() and np.isfinite(value).all() for value in found.values())
    assert factors("names") == {}
