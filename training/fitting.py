"""Fits a small network of one hidden layer with several yes-or-no answers: dropout and Adam, in numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

HIDDEN, EPOCHS, BATCH, RATE, KEPT, DECAY = 96, 5, 1024, 2e-3, 0.7, 1e-4
# A name missed weighs more than a word taken for one.
YES_WEIGHT = 1.5

Numbers = NDArray[np.float32]


def fit(given: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]], seed: int) -> dict[str, Numbers]:
    """Fit ``hidden``, ``hidden_bias``, ``out`` and ``out_bias``.

    Args:
        given: Rows of features, in parts.
        wanted: For each row, how much each answer is yes, 0 to 1.
        seed: Of the chance.
    """
    rng = np.random.default_rng(seed)
    x, y = np.concatenate(list(given)), np.concatenate(list(wanted))
    sample = x[rng.integers(0, len(x), min(len(x), 20_000))].astype(np.float32)
    mean, spread = sample.mean(0), sample.std(0) + 1e-3
    weights = [
        (rng.standard_normal((x.shape[1], HIDDEN)) / np.sqrt(x.shape[1])).astype(np.float32),
        np.zeros(HIDDEN, dtype=np.float32),
        (rng.standard_normal((HIDDEN, y.shape[1])) / np.sqrt(HIDDEN)).astype(np.float32),
        np.zeros(y.shape[1], dtype=np.float32),
    ]
    adam = _Adam(weights, EPOCHS * -(-len(x) // BATCH))
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for at in range(0, len(x), BATCH):
            batch = order[at : at + BATCH]
            adam.step(_gradients(weights, (x[batch] - mean) / spread, y[batch], rng))
    hidden = weights[0] / spread[:, None]
    return {
        "hidden": hidden,
        "hidden_bias": weights[1] - mean @ hidden,
        "out": weights[2],
        "out_bias": weights[3],
    }


class _Adam:
    """Changes weights in place, ever less."""

    def __init__(self, weights: list[Numbers], steps: int) -> None:
        self._weights = weights
        self._first, self._second = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
        self._step, self._steps = 0, steps

    def step(self, gradients: Sequence[NDArray[Any]]) -> None:
        """Take a step."""
        self._step += 1
        rate = RATE * (1 - self._step / self._steps)
        for number, gradient in enumerate(gradients):
            first, second = self._first[number], self._second[number]
            first[:] = 0.9 * first + 0.1 * gradient
            second[:] = 0.999 * second + 0.001 * gradient**2
            sizes = np.sqrt(second / (1 - 0.999**self._step)) + 1e-8
            self._weights[number][:] -= (rate * (first / (1 - 0.9**self._step)) / sizes).astype(np.float32)


def _gradients(weights: Sequence[Numbers], x: Numbers, y: Numbers, rng: np.random.Generator) -> list[NDArray[Any]]:
    raw = x @ weights[0] + weights[1]
    kept = (rng.random(raw.shape, dtype=np.float32) < KEPT) / np.float32(KEPT)
    inner = np.maximum(raw, 0) * kept
    said = 1 / (1 + np.exp(-np.clip(inner @ weights[2] + weights[3], -30, 30)))
    wrong = ((said - y) * np.where(y > said, YES_WEIGHT, 1) / len(x)).astype(np.float32)
    back = (wrong @ weights[2].T) * kept * (raw > 0)
    return [x.T @ back + DECAY * weights[0], back.sum(0), inner.T @ wrong + DECAY * weights[2], wrong.sum(0)]
