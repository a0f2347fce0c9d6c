"""Names of people and postal addresses, found by a model that labels word pieces.

A word's pieces are judged together, words next to each other are one name, a name that two windows share is found
once, and who is named somewhere is found where only a part of the name stands. Of the model's many labels only those of
people and of addresses are used: what has check digits or a fixed form (cards, accounts, mail addresses, telephone
numbers) is found by rules, which do not guess.

Who lives in a town is told by street, house number or postal code; a town or a state alone is no address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.clients.word_pieces import Pieces
from gateway.core.errors import ModelFailed
from gateway.guards.models.calibration import Table
from gateway.guards.models.name_head import JUDGED, STREET, TOWN, NameHead, Words, features, means, read_head, words_of
from gateway.guards.models.name_head import PERSON as PEOPLE
from gateway.guards.models.scoring import Backend, Score
from gateway.guards.models.vocabulary import Vocabulary, framed
from gateway.plugin.guard import About

MODEL, VOCABULARY, LABELS = "names", "names-tokenizer.json", "names-labels.json"
PERSON, ADDRESS = "PERSON", "ADDRESS"
_PERSON = frozenset({"GIVEN_NAME", "SURNAME"})
_STREET = frozenset({"BUILDING_NUMBER", "STREET_NAME", "SECONDARY_ADDRESS", "ZIP_CODE"})
_TOWN = frozenset({"CITY", "STATE"})
# What may stand between two words of one name, and of one address.
_JOINTS: Mapping[str, str] = {PERSON: " \t\u00a0.-'’", ADDRESS: " \t\r\n\u00a0.,;-'’#/"}
_LONGEST_JOINT = 4
# Word pieces of a window, and of its overlap with the one before: longer than any name.
WINDOW_PIECES, OVERLAP_PIECES = 160, 24
# A word beside one that is sure enough belongs to it when it is at least this share as sure.
_BESIDE = 0.4
# A word that is of a name elsewhere in the text is of one here when it is at least so sure; so many letters it has.
_AGAIN, _SHORTEST_AGAIN = 0.04, 3

Floats = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]
# From which piece to which a window goes, and what the model gave for it.
Window = tuple[tuple[int, int], Arrays]


class Word(msgspec.Struct, frozen=True):
    """A word, with how sure the model is that it is of a name."""

    start: int
    end: int
    sure: float


class NamesScorer:
    """A :class:`gateway.guards.models.scoring.Scorer` for ``PERSON`` and ``ADDRESS``.

    Args:
        backend: What runs the model.
        vocabulary: Cuts texts into word pieces.
        labels: The model's labels, by number.
        head: What judges words; ``None`` for the model's own verdict.
        tables: By category, how often harmless prompts reach which score.
    """

    name = "names"

    def __init__(
        self,
        backend: Backend,
        vocabulary: Vocabulary,
        labels: Sequence[str],
        head: NameHead | None = None,
        tables: Mapping[str, Table] | None = None,
    ) -> None:
        self._backend = backend
        self._vocabulary = vocabulary
        self._head = head
        self._tables = tables or {}
        self._groups = groups(labels)

    async def score(self, texts: Sequence[tuple[str, About]], at: float) -> list[list[Score]]:
        """Score texts; see :meth:`gateway.guards.models.scoring.Scorer.score`.

        What no word of is as sure as ``at`` is not given back.
        """
        cut = [await self._vocabulary.cut(text) for text, _ in texts]
        spans = [windows_of(pieces) for pieces in cut]
        windows = [
            framed(pieces, first, end) for pieces, places in zip(cut, spans, strict=True) for first, end in places
        ]
        if not windows:
            return [[] for _ in texts]
        outputs = iter(await self._backend.run_each(MODEL, windows))
        return [
            self._scores(text, pieces, [(place, next(outputs)) for place in places], at)
            for (text, _), pieces, places in zip(texts, cut, spans, strict=True)
        ]

    def threshold(self, target_fpr: float, category: str = "") -> float:
        """Return a threshold; see :meth:`gateway.guards.models.scoring.Scorer.threshold`."""
        found = self._tables.get(category or PERSON)
        if found is None:
            raise ValueError(f"there is no category '{category}'")
        return found.threshold(target_fpr)

    async def close(self) -> None:
        """Let go of nothing: the backend is shared."""

    def sure(self, words: Words, windows: Sequence[Window]) -> Floats:
        """Return how sure the model is that each word is of a person, a street, a town: ``float32[words, JUDGED]``.

        Args:
            words: A text's.
            windows: From which piece to which each goes, and what the model gave for it.
        """
        sure = np.zeros((len(words.places), JUDGED), dtype=np.float32)
        for (first, end), outputs in windows:
            low, high = np.searchsorted(words.firsts, (first, end))
            # Where windows overlap, the one that knows more of what is around may be either: the surer one counts.
            sure[low:high] = np.maximum(sure[low:high], self._judged(words, (low, high), first, outputs))
        return sure

    def _scores(self, text: str, pieces: Pieces, windows: Sequence[Window], at: float) -> list[Score]:
        """Return the names of one text, the surest first."""
        # Of a window in which a glance saw nobody the model gives no tokens.
        windows = [window for window in windows if window[1]["logits"].shape[1]]
        if not windows:
            return []
        words = words_of(text, pieces)
        sure = self.sure(words, windows)
        people = _people(text, _words(words, sure[:, PEOPLE]), at)
        places = _words(words, sure[:, STREET] + sure[:, TOWN])
        streets = {word.start for word in _words(words, sure[:, STREET]) if word.sure >= at}
        addresses = [
            found
            for found in _joined(text, places, ADDRESS, at)
            if any(found.start <= start < found.end for start in streets)
        ]
        return sorted(people + addresses, key=lambda score: (score.category, -score.value, score.start))

    def _judged(self, words: Words, among: tuple[int, int], first: int, outputs: Arrays) -> Floats:
        """Judge the words of a window, which are those between two numbers."""
        low, high = among
        said = shares(outputs["logits"], self._groups)
        firsts = words.firsts[low:high] - first
        alone = means(firsts, len(said)) @ said
        if self._head is None:
            return alone
        judged = self._head(features(outputs["hidden"][0, 1:-1], said, firsts, words.written[low:high]))
        # The model knows more ways to write addresses than the head, and the head more that looks like one.
        judged[:, STREET:] = (judged[:, STREET:] + alone[:, STREET:]) / 2
        return judged


def groups(labels: Sequence[str]) -> list[NDArray[np.bool_]]:
    """Return which labels say what is judged of a word, in that order."""
    plain = [label.partition("-")[2] for label in labels]
    return [np.array([label in group for label in plain]) for group in (_PERSON, _STREET, _TOWN)]


def shares(logits: NDArray[Any], judged: Sequence[NDArray[np.bool_]]) -> Floats:
    """Return how sure the model is of what is judged, a row for each piece between the marks of a window."""
    each = softmax(logits[0, 1:-1])
    return np.stack([each[:, group].sum(axis=1) for group in judged], axis=1)


def softmax(logits: NDArray[Any]) -> Floats:
    """Turn each row of logits into shares of one."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def windows_of(pieces: Pieces) -> list[tuple[int, int]]:
    """Cut a text into overlapping windows, none of which begins within a word."""
    count = len(pieces.ids)
    windows: list[tuple[int, int]] = []
    first = 0
    while first < count:
        end = min(first + WINDOW_PIECES, count)
        windows.append((first, end))
        if end == count:
            break
        following = end - OVERLAP_PIECES
        while following - 1 > first and pieces.words[following] == pieces.words[following - 1]:
            following -= 1
        first = following
    return windows


def _words(words: Words, sure: Floats) -> list[Word]:
    return [Word(*place, float(each)) for place, each in zip(words.places, sure, strict=True) if place[1] > place[0]]


def _people(text: str, words: list[Word], at: float) -> list[Score]:
    """Return people, also where only a part of a name stands that is written in full, or is surer, elsewhere."""
    parts = {
        text[word.start : word.end]: word.sure
        for word in sorted(words, key=lambda word: word.sure)
        if word.sure >= at and word.end - word.start >= _SHORTEST_AGAIN
    }
    if parts:
        words = [
            msgspec.structs.replace(word, sure=max(word.sure, parts.get(text[word.start : word.end], 0.0)))
            if word.sure >= _AGAIN
            else word
            for word in words
        ]
    return _joined(text, words, PERSON, at)


def _joined(text: str, words: Sequence[Word], category: str, at: float) -> list[Score]:
    """Join words to names: each has a word that is sure enough, and around it such as are nearly so."""
    joints = _JOINTS[category]
    found: list[Score] = []
    run: list[Word] = []

    def close() -> None:
        surest = max((word.sure for word in run), default=0.0)
        if run and surest >= at:
            found.append(
                Score(category=category, value=min(surest, 1.0), start=run[0].start, end=run[-1].end, tier="model")
            )
        run.clear()

    for word in words:
        if word.sure < at * _BESIDE or not any(letter.isalnum() for letter in text[word.start : word.end]):
            continue
        if run and not _touch(text[run[-1].end : word.start], joints):
            close()
        run.append(word)
    close()
    return found


def _touch(between: str, joints: str) -> bool:
    return len(between) <= _LONGEST_JOINT and all(letter in joints for letter in between)


def load_names(backend: Backend, read: Callable[[str], bytes]) -> NamesScorer:
    """Make the scorer.

    Args:
        backend: What runs the model.
        read: Returns a verified file of a model.

    Raises:
        ModelFailed: A file is missing or corrupt.
    """
    try:
        labels = msgspec.json.decode(read(LABELS), type=list[str])
    except msgspec.MsgspecError:
        raise ModelFailed("The labels of the model of names cannot be read.") from None
    return NamesScorer(backend, Vocabulary(read, VOCABULARY), labels, *read_head())
