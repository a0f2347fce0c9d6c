"""A second opinion on names of people: a small network over what the model of names knows of each word piece.

The model was made for the names of those who write, and does not know letters' case. The head has learned people in
encyclopaedias and in short messages, from the model's last hidden layer, its own verdict, and how a word and its
neighbours are written. What either is sure of counts.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.clients.word_pieces import Pieces
from gateway.core.errors import ModelFailed
from gateway.guards.models.calibration import Table
from gateway.guards.models.catalog import SHIPPED

FILE, DESCRIPTION = "names-head.npz", "names-head.json"
# Of a word, the one before and the one behind: capital, all capitals, small letters, first of a sentence, digits.
_FLAGS = 5
CASE_FEATURES = 3 * _FLAGS + 2
_NO_WORD = (False,) * _FLAGS
_BEFORE_A_SENTENCE = frozenset('.!?:\n"“')
_SMALLEST = 1e-6
_ODDS_SCALE = 0.3

Floats = NDArray[np.float32]


class Description(msgspec.Struct, frozen=True):
    """What ships beside the head: its digest, and how often harmless prompts reach which score."""

    sha256: str
    tables: dict[str, Table]


def case_features(text: str, pieces: Pieces) -> Floats:
    """Return ``float32[n_pieces, CASE_FEATURES]``: how each piece's word and its neighbours are written."""
    places: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(pieces.words, pieces.offsets, strict=True):
        places[word] = (places[word][0] if word in places else start, end)
    flags = {word: _flags(text, start, end) for word, (start, end) in places.items()}
    letters = [flag for word, flag in flags.items() if text[places[word][0] : places[word][0] + 1].isalpha()]
    capitals = sum(flag[0] or flag[1] for flag in letters) / max(len(letters), 1)
    rows = {
        word: (*flag, *flags.get(word - 1, _NO_WORD), *flags.get(word + 1, _NO_WORD), capitals, capitals == 0)
        for word, flag in flags.items()
    }
    found = np.array([rows[word] for word in pieces.words], dtype=np.float32)
    return found.reshape(len(pieces.words), CASE_FEATURES)


def _flags(text: str, start: int, end: int) -> tuple[bool, ...]:
    word = text[start:end]
    at = start
    while at and text[at - 1] in " \t\r":
        at -= 1
    first = at == 0 or text[at - 1] in _BEFORE_A_SENTENCE
    upper = word.isupper()
    return (word[:1].isupper() and not upper, upper and len(word) > 1, word.islower(), first, word.isdigit())


def features(hidden: NDArray[Any], sure: NDArray[Any], case: Floats) -> Floats:
    """Return what the head is given.

    Args:
        hidden: The model's last hidden layer, ``float32[n, 384]``.
        sure: How sure the model is that a piece is of a person's name.
        case: Of the same pieces, see :func:`case_features`.
    """
    odds = np.log((sure + _SMALLEST) / (1 - sure + _SMALLEST)) * _ODDS_SCALE
    return np.concatenate((hidden, odds[:, None], case), axis=1).astype(np.float32)


class NameHead:
    """One hidden layer over :func:`features`.

    Args:
        arrays: ``hidden``, ``hidden_bias``, ``out``, ``out_bias``.
    """

    __slots__ = ("_hidden", "_hidden_bias", "_out", "_out_bias")

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._hidden, self._hidden_bias, self._out, self._out_bias = (
            arrays[name].astype(np.float32) for name in ("hidden", "hidden_bias", "out", "out_bias")
        )

    def __call__(self, given: Floats) -> Floats:
        """Return how sure it is of each piece, 0 to 1."""
        inner = np.maximum(given @ self._hidden + self._hidden_bias, 0)
        logits = np.clip(inner @ self._out + self._out_bias, -30, 30)
        return (1 / (1 + np.exp(-logits[:, 0]))).astype(np.float32)


def read_head(shipped: Path = SHIPPED) -> tuple[NameHead, dict[str, Table]]:
    """Return the head and the tables that ship.

    Raises:
        ModelFailed: They are missing, or are not those that were trained.
    """
    try:
        told = msgspec.json.decode((shipped / DESCRIPTION).read_bytes(), type=Description)
        data = (shipped / FILE).read_bytes()
    except (OSError, msgspec.MsgspecError):
        raise ModelFailed("The head of the model of names cannot be read.") from None
    if hashlib.sha256(data).hexdigest() != told.sha256:
        raise ModelFailed("The head of the model of names is not the one that was trained.")
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return NameHead({name: stored[name] for name in stored.files}), told.tables
