"""Sentence embeddings: 384 numbers at unit length, near each other where texts mean something alike.

Texts longer than a window are read in several, and their embedding is the mean of the windows', each counting as much
as it has word pieces. A text by itself has the same embedding as the same text among others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.clients.word_pieces import WordPieces
from gateway.guards.models.scoring import Backend

MODEL = "embedder"
VOCABULARY = "embedder-tokenizer.json"
WIDTH = 384
# What the model was trained to read, its two marks included.
WINDOW_PIECES = 256
_INSIDE = WINDOW_PIECES - 2

Floats = NDArray[np.float32]


class Embedder:
    """Embeds texts.

    Args:
        backend: What runs the model.
        pieces: Cuts texts into word pieces.
    """

    def __init__(self, backend: Backend, pieces: WordPieces) -> None:
        self._backend = backend
        self._pieces = pieces

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return ``float32[n_texts, 384]``; a text without a word piece has the embedding of an empty one.

        Raises:
            ModelFailed: The model is missing or corrupt, took too long or broke down.
        """
        windows: list[list[int]] = []
        owners: list[int] = []
        for number, text in enumerate(texts):
            ids = self._pieces.cut(text).ids
            for first in range(0, max(len(ids), 1), _INSIDE):
                windows.append(ids[first : first + _INSIDE])
                owners.append(number)
        if not windows:
            return np.zeros((0, WIDTH), dtype=np.float32)
        outputs = await self._backend.run_each(MODEL, [framed(window, self._pieces) for window in windows])
        summed = np.zeros((len(texts), WIDTH), dtype=np.float32)
        for owner, window, output in zip(owners, windows, outputs, strict=True):
            summed[owner] += output["embedding"][0] * np.float32(max(len(window), 1))
        return summed / np.linalg.norm(summed, axis=1, keepdims=True)


def framed(window: Sequence[int], pieces: WordPieces) -> dict[str, NDArray[Any]]:
    """Return a window as a model takes it: a batch of one, between its marks."""
    ids = np.array([[pieces.first, *window, pieces.last]], dtype=np.int64)
    return {"ids": ids, "mask": np.ones_like(ids)}


def load_embedder(backend: Backend, read: Callable[[str], bytes]) -> Embedder:
    """Make an embedder.

    Args:
        backend: What runs the model.
        read: Returns a verified file of a model.

    Raises:
        ModelFailed: The vocabulary is missing or corrupt.
    """
    return Embedder(backend, WordPieces(read(VOCABULARY)))
