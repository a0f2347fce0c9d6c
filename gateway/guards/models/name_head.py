"""Judges words: is this one of a person's name, of a street, of a town in an address?

The model of names was made for the names of those who write, and does not know letters' case. A small network over
what it knows of a word and of its neighbours, its own verdict, and how they are written has learned people in
encyclopaedias, in short messages, and in mails, chats, tickets and forms of our own.
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
# What is judged of a word, in this order.
PERSON, STREET, TOWN = range(3)
JUDGED = 3
# Of a word, the one before and the one behind, see :func:`_flags`.
_FLAGS = 8
CASE_FEATURES = 3 * _FLAGS + 3
# What is not known of each word's neighbours as well.
REST = JUDGED + CASE_FEATURES
_NO_WORD = (False,) * _FLAGS
_BEFORE_A_SENTENCE = frozenset('.!?:\n"“')
_BEFORE_A_HANDLE = frozenset("@#_/")
_SMALLEST = 1e-6
_ODDS_SCALE = 0.3
_MANY_PIECES = 6

Floats = NDArray[np.float32]


class Description(msgspec.Struct, frozen=True):
    """What ships beside the head: its digest, and how often harmless prompts reach which score."""

    sha256: str
    tables: dict[str, Table]


class Words(msgspec.Struct, frozen=True):
    """The words of a text.

    Attributes:
        firsts: Of each, the number of its first piece, rising.
        places: Where each lies in the text, half open.
        written: ``float32[words, CASE_FEATURES]``: how each and its neighbours are written.
    """

    firsts: NDArray[np.int64]
    places: list[tuple[int, int]]
    written: Floats


def words_of(text: str, pieces: Pieces) -> Words:
    """Put pieces together to words."""
    count = len(pieces.ids)
    firsts = [at for at in range(count) if not at or pieces.words[at] != pieces.words[at - 1]]
    ends = [*firsts[1:], count] if firsts else []
    places = [(pieces.offsets[at][0], pieces.offsets[end - 1][1]) for at, end in zip(firsts, ends, strict=True)]
    flags = [_NO_WORD, *(_flags(text, start, end) for start, end in places), _NO_WORD]
    capitals = sum(flag[0] or flag[1] for flag in flags) / max(sum(any(flag[:3]) for flag in flags), 1)
    written = [
        (*flags[at + 1], *flags[at], *flags[at + 2], capitals, capitals == 0, min(ends[at] - first, _MANY_PIECES) / 2)
        for at, first in enumerate(firsts)
    ]
    return Words(
        np.array(firsts, dtype=np.int64), places, np.array(written, dtype=np.float32).reshape(-1, CASE_FEATURES)
    )


def _flags(text: str, start: int, end: int) -> tuple[bool, ...]:
    """Return: capital, all capitals, small letters, first of a sentence, digits, one letter, a handle, a mark."""
    word = text[start:end]
    at = start
    while at and text[at - 1] in " \t\r":
        at -= 1
    first = at == 0 or text[at - 1] in _BEFORE_A_SENTENCE
    upper = word.isupper()
    return (
        *(word[:1].isupper() and not (upper and len(word) > 1), upper and len(word) > 1, word.islower(), first),
        *(word.isdigit(), len(word) == 1 and word.isalpha(), start > 0 and text[start - 1] in _BEFORE_A_HANDLE),
        not any(letter.isalnum() for letter in word),
    )


class Features(msgspec.Struct, frozen=True):
    """What the head is given of each word: what the model knows of it, ``float32[words, 384]``, and the rest."""

    own: Floats
    rest: Floats

    def beside_each_other(self) -> Floats:
        """Return one row a word: its own, that of the word before, of the one behind, the rest."""
        none = np.zeros((1, self.own.shape[1]), dtype=np.float32)
        before, behind = np.concatenate((none, self.own[:-1])), np.concatenate((self.own[1:], none))
        return np.concatenate((self.own, before, behind, self.rest), axis=1)


def features(hidden: NDArray[Any], sure: NDArray[Any], firsts: NDArray[np.int64], written: Floats) -> Features:
    """Return what the head is given: a row for each word.

    Args:
        hidden: The model's last hidden layer, ``float32[pieces, 384]``.
        sure: How sure the model is of what is judged, ``float32[pieces, JUDGED]``.
        firsts: Of the words, each one's first piece; the first is 0.
        written: Of the same words, see :class:`Words`.
    """
    mean = means(firsts, len(hidden))
    share = np.clip(mean @ np.asarray(sure, dtype=np.float32), 0, 1)
    odds = np.log((share + _SMALLEST) / (1 - share + _SMALLEST)) * np.float32(_ODDS_SCALE)
    return Features(mean @ np.asarray(hidden, dtype=np.float32), np.concatenate((odds, written), axis=1))


def means(firsts: NDArray[np.int64], pieces: int) -> Floats:
    """Return ``float32[words, pieces]``, by which pieces are multiplied to the means of words."""
    lengths = np.diff(np.append(firsts, pieces))
    numbers = np.repeat(np.arange(len(firsts)), lengths)
    mean = np.zeros((len(firsts), pieces), dtype=np.float32)
    mean[numbers, np.arange(pieces)] = (1 / lengths)[numbers]
    return mean


class NameHead:
    """One hidden layer over :class:`Features`.

    Args:
        arrays: ``hidden``, for rows as of :meth:`Features.beside_each_other`, ``hidden_bias``, ``out``, ``out_bias``.
    """

    __slots__ = ("_around", "_hidden_bias", "_out", "_out_bias", "_rest", "_width")

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        hidden, self._hidden_bias, self._out, self._out_bias = (
            arrays[name].astype(np.float32) for name in ("hidden", "hidden_bias", "out", "out_bias")
        )
        self._width = hidden.shape[1]
        *around, self._rest = np.split(hidden, (len(hidden) - REST) // 3 * np.arange(1, 4))
        # A word is multiplied once for itself and for its neighbours.
        self._around = np.concatenate(around, axis=1)

    def __call__(self, given: Features) -> Floats:
        """Return how sure it is of each word, 0 to 1: ``float32[words, JUDGED]``."""
        width = self._width
        parts = given.own @ self._around
        inner = parts[:, :width] + given.rest @ self._rest + self._hidden_bias
        inner[1:] += parts[:-1, width : 2 * width]
        inner[:-1] += parts[1:, 2 * width :]
        logits = np.clip(np.maximum(inner, 0) @ self._out + self._out_bias, -30, 30)
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


def read_head(shipped: Path = SHIPPED) -> tuple[NameHead, dict[str, Table]]:
    """Return the head and the tables that ship.

    Raises:
        ModelFailed: They are missing, or are not those that were trained.
    """
    try:
        told = msgspec.json.decode((shipped / DESCRIPTION).read_bytes(), type=Description)
        data = (shipped / FILE).read_bytes()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise ModelFailed("The head of the model of names cannot be read.") from None
    if hashlib.sha256(data).hexdigest() != told.sha256:
        raise ModelFailed("The head of the model of names is not the one that was trained.")
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return NameHead({name: stored[name] for name in stored.files}), told.tables
