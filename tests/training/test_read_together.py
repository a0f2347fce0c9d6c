from __future__ import annotations

import numpy as np
import pytest

from training.read_together import LEAST, WEIGHT, fitted, log_odds


def test_the_bias_lets_so_few_near_misses_pass() -> None:
    rng = np.random.default_rng(5)
    chances, odds = rng.uniform(0.5, 0.99, 2_000), rng.normal(0, 2, 2_000)
    found = fitted(chances, odds, 0.95, 0.01)
    after = np.where(chances < LEAST, -9, log_odds(chances) + found.weight * odds + found.bias)
    assert float((after >= log_odds(np.array([0.95]))[0] - 1e-4).mean()) == pytest.approx(0.01, abs=0.001)


def test_what_is_not_read_is_not_served_by_it() -> None:
    chances, odds = np.array([0.99, LEAST + 0.01, LEAST - 0.01]), np.array([np.nan, -1.0, 5.0])
    # Of these only one is read: the threshold comes to lie where it is.
    found = fitted(chances, odds, 0.95, 0.4)
    assert found.least == LEAST
    least = log_odds(np.array([0.95]))[0] - found.bias
    assert least == pytest.approx(log_odds(chances[1:2])[0] - WEIGHT, abs=1e-4)
