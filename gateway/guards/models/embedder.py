"""Sentence embeddings: 384 numbers at unit length, near each other where texts mean something alike.

Texts longer than a window are read in several, and their embedding is the mean of the windows', each counting as much
as it has word pieces. A text by itself has the same embedding as the same text among others. Several detectors and the
cache ask about the same text, often at once: it is embedded once, and what was embedded lately is known.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.guards.models.scoring import Backend
from gateway.guards.models.vocabulary import Vocabulary, framed

MODEL, VOCABULARY = "embedder", "embedder-tokenizer.json"
WIDTH = 384
# What the model was trained to read, its two marks included.
WINDOW_PIECES = 256
_INSIDE = WINDOW_PIECES - 2
# Embeddings that are kept: 1.5 kB each.
KEPT = 2_048

Floats = NDArray[np.float32]


class Embedder:
    """Embeds texts.

    Args:
        backend: What runs the model.
        vocabulary: Cuts texts into word pieces.
    """

    def __init__(self, backend: Backend, vocabulary: Vocabulary) -> None:
        self._backend = backend
        self._vocabulary = vocabulary
        # By the text's digest, the least recently used first.
        self._known: OrderedDict[bytes, Floats] = OrderedDict()
        self._underway: dict[bytes, asyncio.Future[Floats]] = {}

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return ``float32[n_texts, 384]``; a text without a word piece has the embedding of an empty one.

        Raises:
            ModelFailed: The model is missing or corrupt, took too long or broke down.
        """
        keys = [_key(text) for text in texts]
        found: dict[bytes, Floats] = {}
        wanted = dict(zip(keys, texts, strict=True))
        while missing := [key for key in wanted if key not in found]:
            mine = [key for key in missing if not self._look(key, found) and key not in self._underway]
            if mine:
                found |= await self._embedded({key: wanted[key] for key in mine})
            elif theirs := [self._underway[key] for key in missing if key in self._underway]:
                # Whoever began it may be called off; then it is ours to do.
                await asyncio.wait(theirs)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, WIDTH), dtype=np.float32)

    def _look(self, key: bytes, found: dict[bytes, Floats]) -> bool:
        known = self._known.get(key)
        if known is None:
            return False
        self._known.move_to_end(key)
        found[key] = known
        return True

    async def _embedded(self, texts: dict[bytes, str]) -> dict[bytes, Floats]:
        loop = asyncio.get_running_loop()
        futures = {key: loop.create_future() for key in texts}
        self._underway |= futures
        try:
            vectors = await self._computed(list(texts.values()))
        finally:
            for key, future in futures.items():
                del self._underway[key]
                future.cancel()
        made = dict(zip(texts, vectors, strict=True))
        self._known |= made
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return made

    async def _computed(self, texts: Sequence[str]) -> list[Floats]:
        cut = [await self._vocabulary.cut(text) for text in texts]
        spans = [
            [(first, min(first + _INSIDE, len(pieces.ids))) for first in range(0, max(len(pieces.ids), 1), _INSIDE)]
            for pieces in cut
        ]
        windows = [framed(pieces, *span) for pieces, places in zip(cut, spans, strict=True) for span in places]
        outputs = iter(await self._backend.run_each(MODEL, windows))
        vectors: list[Floats] = []
        for places in spans:
            summed = np.zeros(WIDTH, dtype=np.float32)
            for first, end in places:
                summed += next(outputs)["embedding"][0] * np.float32(max(end - first, 1))
            vectors.append((summed / np.linalg.norm(summed)).astype(np.float32))
        return vectors


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def load_embedder(backend: Backend, read: Callable[[str], bytes]) -> Embedder:
    """Make an embedder.

    Args:
        backend: What runs the model.
        read: Returns a verified file of a model.
    """
    return Embedder(backend, Vocabulary(read, VOCABULARY))
