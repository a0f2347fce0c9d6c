"""Two questions read together: how likely one answer does for both, by a model that sees every word of either.

Embeddings are made of one question at a time, and what an answer turns on may be lost in them. A cross-encoder reads
both as one text. It is the embedder's own layers with a correction of low rank, which ships; the rest is in the package
that the embedder is made of.

Hu et al., LoRA, https://arxiv.org/abs/2106.09685.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import ModelFailed
from gateway.guards.models.catalog import DELTAS, SHIPPED
from gateway.guards.models.encoder import Dense, Floats
from gateway.guards.models.scoring import Backend
from gateway.guards.models.vocabulary import Vocabulary

MODEL = "cross-encoder"
# Of both questions with the model's three marks, and of one.
MOST_PIECES = 128
MOST_OF_ONE = (MOST_PIECES - 3) // 2
# Behind the name of what is rounded to 8 bits, for its scales.
SCALE, _TINY = "/scale", 1e-12
# A vocabulary's numbers as they are kept beside a question.
_KEPT = "<u2"
# What each part of a layer is called where it was trained, and in the package.
_DENSE = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attended": "attention.output.dense",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
}
_NORMS = {"attended_norm": "attention.output.LayerNorm", "narrow_norm": "output.LayerNorm"}


class CrossEncoder:
    """Reads pairs of questions.

    Args:
        backend: What runs the model.
        vocabulary: Cuts texts into word pieces.
    """

    def __init__(self, backend: Backend, vocabulary: Vocabulary) -> None:
        self._backend = backend
        self._vocabulary = vocabulary
        self._marks = (0, 0)

    async def pieces(self, text: str) -> bytes:
        """Return a question as it is read, 2 bytes a word piece; empty where it is too long, or is nothing.

        Raises:
            ModelFailed: The vocabulary is missing or corrupt.
        """
        cut = await self._vocabulary.cut(text)
        self._marks = cut.marks
        return np.array(cut.ids, dtype=_KEPT).tobytes() if len(cut.ids) <= MOST_OF_ONE else b""

    async def odds(self, one: bytes, other: bytes) -> float:
        """Return the log odds that the answer to one question does for the other.

        Args:
            one: As :meth:`pieces` gave it; not empty.
            other: The same of the other.

        Raises:
            ModelFailed: The model is missing or corrupt, took too long or broke down.
        """
        if len(one) // 2 > MOST_OF_ONE or len(other) // 2 > MOST_OF_ONE or len(one) % 2 or len(other) % 2:
            raise ModelFailed("What is kept of a question cannot be read.")
        begin, close = (np.array([mark]) for mark in await self._known_marks())
        first, second = (np.frombuffer(kept, _KEPT) for kept in (one, other))
        ids = np.concatenate([begin, first, close, second, close]).astype(np.int64)[None]
        found = await self._backend.run(MODEL, {"ids": ids, "mask": np.ones_like(ids)})
        return float(found["odds"].ravel()[0])

    async def _known_marks(self) -> tuple[int, int]:
        if self._marks == (0, 0):
            self._marks = (await self._vocabulary.cut("")).marks
        return self._marks


def learned(shipped: Path = SHIPPED) -> dict[str, Floats]:
    """Return what was trained: corrections, and the head."""
    with np.load(io.BytesIO((shipped / DELTAS).read_bytes()), allow_pickle=False) as stored:
        found = {name: stored[name].astype(np.float32) for name in stored.files}
    return {
        name: value * found[name + SCALE][:, None] if name + SCALE in found else value
        for name, value in found.items()
        if not name.endswith(SCALE)
    }


def shipped_form(trained: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
    """Return what was trained as it ships: rows of matrices rounded to 8 bits with a scale each, all else to 16."""
    made: dict[str, NDArray[Any]] = {}
    for name, value in trained.items():
        if value.ndim == 1:
            made[name] = value.astype(np.float16)
            continue
        scale = (np.maximum(np.abs(value).max(axis=1), _TINY) / 127).astype(np.float32)
        made[name], made[name + SCALE] = np.rint(value / scale[:, None]).astype(np.int8), scale
    return made


def corrected(tensors: Mapping[str, NDArray[Any]], trained: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
    """Return the package's tensors with what was trained in them."""
    made = dict(tensors)
    made["embeddings.LayerNorm.weight"], made["embeddings.LayerNorm.bias"] = trained["norm.gain"], trained["norm.bias"]
    for number in range(len({name.split(".")[1] for name in trained if name.startswith("layers.")})):
        here, there = f"layers.{number}", f"encoder.layer.{number}"
        for part, its in _DENSE.items():
            change = trained[f"{here}.{part}.up"] @ trained[f"{here}.{part}.down"]
            made[f"{there}.{its}.weight"] = tensors[f"{there}.{its}.weight"] + change
            made[f"{there}.{its}.bias"] = trained[f"{here}.{part}.bias"]
        for part, its in _NORMS.items():
            made[f"{there}.{its}.weight"] = trained[f"{here}.{part}.gain"]
            made[f"{there}.{its}.bias"] = trained[f"{here}.{part}.bias"]
    return made


def head(trained: Mapping[str, Floats]) -> tuple[Dense, Dense]:
    """Return the two dense layers above the first token and the mean of all."""
    hidden, out = (Dense(trained[f"{name}.weight"].T.copy(), trained[f"{name}.bias"]) for name in ("hidden", "out"))
    return hidden, out
