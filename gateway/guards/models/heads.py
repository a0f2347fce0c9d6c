"""What was trained, as it lies in the package: small arrays, checked by digest when they are read."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import ModelFailed
from gateway.guards.models.calibration import Table

# The folder in the package, and the list of what is in it.
FOLDER = Path(__file__).parents[2] / "_models"
LISTING = "heads.json"
# Scores end here: what is surer than this nobody has measured.
_FURTHEST = 12.0


class Blend(msgspec.Struct, frozen=True):
    """How the logits of the two tiers become one: ``ngram · n + model · clip(m, low, high) + bias``.

    The clip bounds what the model can say, so that the cheap tier knows when asking it is of no use.
    """

    ngram: float
    model: float
    bias: float
    low: float
    high: float

    def __call__(self, ngram: NDArray[Any], model: NDArray[Any]) -> NDArray[np.float64]:
        """Blend logits."""
        clipped = np.clip(np.asarray(model, dtype=np.float64), self.low, self.high)
        return np.asarray(self.ngram * ngram + self.model * clipped + self.bias)

    def bounds(self, ngram: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lowest and the highest logit that the model could make of the n-grams' one."""
        alone = self.ngram * ngram + self.bias
        return alone + self.model * self.low, alone + self.model * self.high


class Scale(msgspec.Struct, frozen=True):
    """From logits to values that say the same for every category: how rare so high a score is among harmless texts.

    The value's logit is half the negative logit of that share, so that one text in a hundred lies at 0.909 and one in a
    thousand at 0.969. Between knots it is linear, beyond them it goes on as between the last two.
    """

    logits: tuple[float, ...]
    odds: tuple[float, ...]

    def values(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Return values, 0 to 1."""
        known, odds = _arrays(self.logits), _arrays(self.odds)
        inner = np.interp(logits, known, odds)
        low = odds[0] + (logits - known[0]) * (odds[1] - odds[0]) / (known[1] - known[0])
        high = odds[-1] + (logits - known[-1]) * (odds[-1] - odds[-2]) / (known[-1] - known[-2])
        found = np.where(logits < known[0], low, np.where(logits > known[-1], high, inner))
        return 1.0 / (1.0 + np.exp(-np.minimum(np.maximum(found, -_FURTHEST), _FURTHEST)))


@lru_cache(maxsize=64)
def _arrays(numbers: tuple[float, ...]) -> NDArray[np.float64]:
    return np.asarray(numbers)


def odds_of(share: float) -> float:
    """Return the logit of the value that a share of harmless texts reaches."""
    return -0.5 * math.log(share / (1.0 - share))


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """All numbers of one judgement.

    Attributes:
        blend: How the tiers become one.
        scale: What the logits mean.
        table: What the values cost.
        per_doubling: What is taken off a text's logits for every doubling of its windows or sentences.
    """

    blend: Blend
    scale: Scale
    table: Table
    per_doubling: float = 0.0


class Head:
    """A small network over unit vectors of 384: one hidden layer.

    Args:
        arrays: ``hidden[384, k]``, ``hidden_bias[k]``, ``out[k, n]``, ``out_bias[n]``.
    """

    __slots__ = ("_hidden", "_hidden_bias", "_out", "_out_bias")

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._hidden = arrays["hidden"].astype(np.float32)
        self._hidden_bias = arrays["hidden_bias"].astype(np.float32)
        self._out = arrays["out"].astype(np.float32)
        self._out_bias = arrays["out_bias"].astype(np.float32)

    def __call__(self, vectors: NDArray[Any]) -> NDArray[np.float64]:
        """Return logits, ``float64[n, outputs]``, of ``float32[n, 384]``."""
        hidden = np.maximum(np.asarray(vectors, dtype=np.float32) @ self._hidden + self._hidden_bias, 0.0)
        return np.asarray(hidden @ self._out + self._out_bias, dtype=np.float64)


def read_bytes(name: str, folder: Path = FOLDER) -> bytes:
    """Return a file of the package's models.

    Raises:
        ModelFailed: It is missing, or is not the one that was trained.
    """
    try:
        listing: Mapping[str, str] = msgspec.json.decode((folder / LISTING).read_bytes(), type=dict[str, str])
        content = (folder / name).read_bytes()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        raise ModelFailed(f"The model file '{name}' cannot be read.") from None
    if hashlib.sha256(content).hexdigest() != listing.get(name):
        raise ModelFailed(f"The model file '{name}' is not the one that was trained.")
    return content


def read_arrays(name: str, folder: Path = FOLDER) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file; raises as :func:`read_bytes`."""
    content = read_bytes(name, folder)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (ValueError, OSError):
        raise ModelFailed(f"The model file '{name}' cannot be read.") from None


def read_judges(name: str, folder: Path = FOLDER) -> dict[str, Judge]:
    """Return the judges of a file by category; raises as :func:`read_bytes`."""
    try:
        return msgspec.json.decode(read_bytes(name, folder), type=dict[str, Judge])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ModelFailed(f"The model file '{name}' cannot be read.") from None
