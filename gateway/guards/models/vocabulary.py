"""A model's vocabulary, read when the first text is cut, and on a thread: it takes longer than the loop may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.clients.word_pieces import Pieces, WordPieces

# Longer texts are cut on a thread: a thousand characters cost a third of a millisecond.
_INLINE_CHARS = 4_000


class Vocabulary:
    """Cuts texts into word pieces.

    Args:
        read: Returns a verified file of a model; may raise ``ModelFailed``.
        file: The vocabulary's.
    """

    def __init__(self, read: Callable[[str], bytes], file: str) -> None:
        self._read = read
        self._file = file
        self._pieces: WordPieces | None = None

    async def cut(self, text: str) -> Pieces:
        """Cut a text.

        Raises:
            ModelFailed: The vocabulary is missing or corrupt.
        """
        if self._pieces is None:
            # Two that come at once read it twice, which does no harm.
            self._pieces = await asyncio.to_thread(self._load)
        if len(text) <= _INLINE_CHARS:
            return self._pieces.cut(text)
        return await asyncio.to_thread(self._pieces.cut, text)

    def _load(self) -> WordPieces:
        return WordPieces(self._read(self._file))


def framed(pieces: Pieces, first: int, end: int) -> dict[str, NDArray[Any]]:
    """Return a window of a text as a model takes it: a batch of one, between the model's marks."""
    begin, close = pieces.marks
    ids = np.array([[begin, *pieces.ids[first:end], close]], dtype=np.int64)
    return {"ids": ids, "mask": np.ones_like(ids)}
