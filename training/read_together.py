"""Has the cross-encoder read pairs, as the product does, and fits what becomes of a chance by what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.cache.verifier import MOST_ODDS, Together
from gateway.guards.models.cross_encoder import MODEL, CrossEncoder
from gateway.guards.models.embedder import VOCABULARY
from gateway.guards.models.vocabulary import Vocabulary
from training.embeddings import OneThread

# How much the cross-encoder counts beside the words, and from which chance it is asked at all: chosen on STS-B's second
# part. Where it counts more, or is asked earlier, more is found there, and more of that is wrong.
WEIGHT, LEAST = 0.5, 0.8


class Odds:
    """The cross-encoder.

    Args:
        home: Where ``weighbridge models build`` put the models.
    """

    def __init__(self, home: Path) -> None:
        self._model = CrossEncoder(
            OneThread(home, MODEL), Vocabulary(lambda name: (home / name).read_bytes(), VOCABULARY)
        )

    def pieces(self, texts: Iterable[str]) -> list[bytes]:
        """Cut questions."""

        async def cut() -> list[bytes]:
            return [await self._model.pieces(text) for text in texts]

        return asyncio.run(cut())

    def of(self, pairs: Sequence[tuple[bytes, bytes]]) -> NDArray[np.float64]:
        """Return what it says of pairs that were cut."""

        async def read() -> list[float]:
            return [await self._model.odds(one, other) for one, other in pairs]

        return np.array(asyncio.run(read()))


def log_odds(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return chances as log odds."""
    sure = np.clip(chances, 1e-9, 1 - 1e-9)
    return np.log(sure / (1 - sure))


def fitted(chances: NDArray[np.float64], odds: NDArray[np.float64], threshold: float, served: float) -> Together:
    """Return the bias by which so few near misses pass, and what was chosen.

    Args:
        chances: Of near misses, by their words.
        odds: What the cross-encoder says of them; not a number where it is not asked.
        threshold: The chance at which the share is set.
        served: The share.
    """
    read = np.where(np.isnan(odds) | (chances < LEAST), -np.inf, np.clip(odds, -MOST_ODDS, MOST_ODDS))
    least = float(np.quantile(log_odds(chances) + WEIGHT * read, 1 - served, method="higher"))
    return Together(WEIGHT, round(float(log_odds(np.array([threshold]))[0]) - least, 5), LEAST)
