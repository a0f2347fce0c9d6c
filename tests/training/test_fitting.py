from __future__ import annotations

import numpy as np

from training.fitting import fit


def test_what_no_line_divides_is_learned_and_each_answer_for_itself() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((40_000, 2)).astype(np.float16)
    y = np.stack([x[:, 0] * x[:, 1] > 0, x[:, 0] > 0, np.zeros(len(x))], axis=1).astype(np.float32)
    made = fit([x[:30_000]], [y[:30_000]], 4)
    inner = np.maximum(x[30_000:].astype(np.float32) @ made["hidden"] + made["hidden_bias"], 0)
    assert ((inner @ made["out"] + made["out_bias"] > 0) == y[30_000:]).mean(axis=0).min() > 0.88


def test_the_same_seed_gives_the_same_numbers() -> None:
    x, y = np.eye(8, dtype=np.float16), np.eye(8, 3, dtype=np.float32)
    one, other = fit([x], [y], 4), fit([x], [y], 4)
    assert all(np.array_equal(one[name], other[name]) for name in one)
