"""How bad each of some thousand words is, learned elsewhere from more texts than we have.

A word counts by its weight, and by how rare it is in ordinary texts; a window's score is the sum over its words, less
the more and the rarer words it has. Words nobody has weighed count nothing. A word is known by half its hash, so the
table holds no words, and every text that is split for the n-grams is split for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.guards.models.ngrams import Grams, Span, grams, within

_HALF = np.uint64(32)


class WordWeights:
    """Scores windows by their words alone.

    Args:
        arrays: ``keys``, ``uint32[n]``, rising; ``weights`` and ``squares``, ``float16[n]``: what each word adds, and
            what it adds to the square of what the sum is divided by.
    """

    __slots__ = ("_keys", "_squares", "_weights")

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        # One more that no word has, so that a search never ends behind the table.
        self._keys = np.append(arrays["keys"].astype(np.uint64), np.uint64(1) << np.uint64(33))
        self._weights = np.append(arrays["weights"].astype(np.float64), 0.0)
        self._squares = np.append(arrays["squares"].astype(np.float64), 0.0)

    def weigh(self, found: Grams, spans: Sequence[Span]) -> NDArray[np.float64]:
        """Return ``float64[n_spans]``, the scores of a text's windows."""
        keys = found.hashes >> _HALF
        places = np.searchsorted(self._keys, keys)
        places[self._keys[places] != keys] = len(self._keys) - 1
        weights, squares = _sums(self._weights[places]), _sums(self._squares[places])
        (first, last), _ = within(found, spans)
        return np.asarray((weights[last] - weights[first]) / np.sqrt(np.maximum(squares[last] - squares[first], 1.0)))


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate(([0.0], np.cumsum(values)))


def table(words: Iterable[tuple[str, float, float]]) -> dict[str, NDArray[Any]]:
    """Return the arrays for words with their weights and squares.

    What is no single word when split as texts are is left out; of two with one key the first is kept.
    """
    known: dict[int, tuple[float, float]] = {}
    for word, weight, square in words:
        hashes = grams(word).hashes
        if len(hashes) == 1:
            known.setdefault(int(hashes[0] >> _HALF), (weight, square))
    keys = sorted(known)
    return {
        "keys": np.array(keys, dtype=np.uint32),
        "weights": np.array([known[key][0] for key in keys], dtype=np.float16),
        "squares": np.array([known[key][1] for key in keys], dtype=np.float16),
    }
