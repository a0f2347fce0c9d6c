"""Fits the network of :mod:`gateway.cache.shades`: what of two embeddings' difference an answer turns on."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from gateway.cache.shades import FILE, Shades, shades

HIDDEN, DECAY, EPOCHS, BATCH = 64, 1.0, 12, 256
FOLDS = 3
# Pairs that people rated count so many times: there are few of them.
_RATED = 2


def folds(texts: list[str]) -> NDArray[np.int64]:
    """Return the fold of each pair by its first question, so that edits of one question are in one fold."""
    return np.array([crc32(text.encode()) % FOLDS for text in texts])


def fitted(apart: NDArray[np.float32], labels: NDArray[np.bool_], rated: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Fit the network.

    Args:
        apart: How far the numbers of two embeddings are apart, as they are kept.
        labels: Whether the answer to one serves the other.
        rated: Which pairs people rated.
    """
    rows = np.concatenate([np.arange(len(labels)), *[np.flatnonzero(rated & labels)] * (_RATED - 1)])
    scaler = StandardScaler().fit(apart)
    model = MLPClassifier((HIDDEN,), alpha=DECAY, max_iter=EPOCHS, batch_size=BATCH, random_state=0, tol=0.0)
    model.fit(scaler.transform(apart[rows]), labels[rows])
    inside: dict[str, Any] = vars(model) | vars(scaler)
    (first, out), (first_bias, out_bias) = inside["coefs_"], inside["intercepts_"]
    hidden = first / inside["scale_"][:, None]
    return {
        "hidden": hidden.astype(np.float16),
        "hidden_bias": (first_bias - inside["mean_"] @ hidden).astype(np.float32),
        "out": out[:, 0].astype(np.float32),
        "out_bias": out_bias.astype(np.float32),
    }


def write(arrays: dict[str, NDArray[Any]]) -> None:
    """Write the network where it ships."""
    with FILE.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    shades.cache_clear()


def odds(arrays: dict[str, NDArray[Any]], kept: list[tuple[bytes, bytes]]) -> NDArray[np.float64]:
    """Return what a network says of pairs of embeddings as they are kept."""
    network = Shades(np, arrays)
    return np.array([network.odds(one, other) for one, other in kept])


def out_of_fold(
    apart: NDArray[np.float32],
    labels: NDArray[np.bool_],
    rated: NDArray[np.bool_],
    fold: NDArray[np.int64],
    kept: list[tuple[bytes, bytes]],
) -> NDArray[np.float64]:
    """Return of each pair what a network says that has not seen it."""
    said = np.zeros(len(labels))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold == number), fold != number
        arrays = fitted(apart[outside], labels[outside], rated[outside])
        said[inside] = odds(arrays, [kept[place] for place in inside])
    return said
