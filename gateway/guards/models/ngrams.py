"""The cheap tier: a linear model over hashed n-grams of words and of characters.

Everything is a handful of numpy calls over whole arrays, so that a text of any length costs a few passes: hash every
n-gram where it begins, look its weight up, and sum up to each place. The sum of a window is then a difference of two
sums, and a hundred windows cost as much as one. Nothing is tokenised by a model, no dictionary is kept: an n-gram is
its hash, and two that share a bucket share a weight.

What counts is folded first: small letters, no accents, any digit a 0, any space a space, never more than three of the
same in a row. Folding keeps one place for each character, so a window of the text is a window of the arrays.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

WORD_ORDERS = (1, 2, 3)
CHAR_ORDERS = (2, 3, 4, 5)
# Weights lie in one table: words in the first part, characters behind them.
WORD_BITS, CHAR_BITS = 17, 18
WORD_BUCKETS, CHAR_BUCKETS = 1 << WORD_BITS, 1 << CHAR_BITS
BUCKETS = WORD_BUCKETS + CHAR_BUCKETS

_SPACE, _GONE = 0x20, 0
_PLANE = 1 << 16
_LONGEST_RUN = 3
# Odd numbers without a pattern; the first is 2^64 divided by the golden ratio.
_MIX = np.uint64(0x9E3779B97F4A7C15)
_NEXT = np.uint64(0xD1B54A32D192ED03)
_ORDER = np.uint64(0xBF58476D1CE4E5B9)
# Letters of a word past this many are hashed as if they stood at its beginning.
_WORD_TABLE = 64

Span = tuple[int, int]
Hashes = NDArray[np.uint64]
Sums = NDArray[np.float64]


class _Tables(msgspec.Struct, frozen=True):
    """For each character of the basic plane: what it counts as, whether it is of a word, and is a word by itself."""

    folded: NDArray[np.uint32]
    wordly: NDArray[np.bool_]
    alone: NDArray[np.bool_]


class Grams(msgspec.Struct, frozen=True):
    """The n-grams of one text.

    Attributes:
        places: Where in the text each character that counts stands; ascending.
        starts: Which of those begin a word.
        words: For each order of word n-grams, the bucket of each, by where it begins.
        chars: The same for characters.
    """

    places: NDArray[np.intp]
    starts: NDArray[np.intp]
    words: tuple[NDArray[np.intp], ...]
    chars: tuple[NDArray[np.intp], ...]


@cache
def _tables() -> _Tables:
    folded = np.zeros(_PLANE, dtype=np.uint32)
    wordly = np.zeros(_PLANE, dtype=np.bool_)
    alone = np.zeros(_PLANE, dtype=np.bool_)
    for code in range(_PLANE):
        letter = chr(code)
        kind = unicodedata.category(letter)
        folded[code] = _fold_one(letter, kind)
        wordly[code] = kind[0] in "LN" or letter == "_"
        # Scripts that put no spaces between words: each sign is a word.
        alone[code] = kind == "Lo" and code >= 0x2E80
    return _Tables(folded, wordly, alone)


def _fold_one(letter: str, kind: str) -> int:
    if kind in {"Cf", "Mn", "Me", "Cs"} or (kind == "Cc" and not letter.isspace()):
        return _GONE
    if letter.isspace():
        return _SPACE
    base = unicodedata.normalize("NFKD", letter)[0].lower()[0]
    if base.isdigit():
        return ord("0")
    return _SPACE if base.isspace() else ord(base)


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _hash_words(codes: Hashes, starts: NDArray[np.intp], ends: NDArray[np.intp], wordly: NDArray[np.bool_]) -> Hashes:
    """Hash each word: the sum of its letters, each mixed with its place in the word."""
    inside = np.flatnonzero(wordly)
    lengths = ends - starts
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    rank = (np.arange(len(inside)) - first) % _WORD_TABLE
    letters = codes[inside] * _MIX * (rank.astype(np.uint64) * np.uint64(2) + np.uint64(1))
    letters ^= letters >> np.uint64(29)
    letters *= _NEXT
    return np.add.reduceat(letters, first[np.cumsum(lengths) - lengths])


def _bucket(hashes: Hashes, order: int, bits: int, base: int) -> NDArray[np.intp]:
    mixed = (hashes ^ np.uint64(order)) * _ORDER
    return (mixed >> np.uint64(64 - bits)).astype(np.intp) + base


def _orders(units: Hashes, orders: Sequence[int], bits: int, base: int) -> tuple[NDArray[np.intp], ...]:
    """Hash every n-gram of units, for each order, by where it begins."""
    buckets: list[NDArray[np.intp]] = []
    rolling = units
    for length in range(1, max(orders) + 1):
        if length > 1:
            rolling = rolling[: max(len(units) - length + 1, 0)] * _MIX + units[length - 1 :]
            rolling ^= rolling >> np.uint64(31)
        if length in orders:
            buckets.append(_bucket(rolling, length, bits, base))
    return tuple(buckets)


def grams(text: str) -> Grams:
    """Return the n-grams of a text."""
    tables = _tables()
    raw = _codes(text)
    low = np.minimum(raw, _PLANE - 1)
    folded = np.where(raw < _PLANE, tables.folded[low], raw)
    keep = folded != _GONE
    places = np.flatnonzero(keep)
    folded = folded[places]
    # Spaces become one, anything else at most three.
    same = np.zeros(len(folded), dtype=np.bool_)
    if len(folded) > 1:
        same[1:] = folded[1:] == folded[:-1]
        drop = same & (folded == _SPACE)
        run = same.copy()
        for back in range(1, _LONGEST_RUN):
            run[back:] &= same[:-back]
            run[:back] = False
        kept = np.flatnonzero(~(drop | run))
        places, folded = places[kept], folded[kept]
    low = np.minimum(folded, _PLANE - 1)
    wordly, alone = tables.wordly[low], tables.alone[low]
    before = np.concatenate(([False], wordly[:-1] & ~alone[:-1]))[: len(folded)]
    begins = wordly & (~before | alone)
    starts = np.flatnonzero(begins)
    codes = folded.astype(np.uint64)
    words: Hashes = np.zeros(0, dtype=np.uint64)
    if len(starts):
        letters = np.cumsum(wordly)
        total = int(letters[-1])
        lengths = np.diff(np.append(letters[starts] - 1, total))
        words = _hash_words(codes, starts, starts + lengths, wordly)
    return Grams(
        places,
        starts,
        _orders(words, WORD_ORDERS, WORD_BITS, 0),
        _orders(codes, CHAR_ORDERS, CHAR_BITS, WORD_BUCKETS),
    )


def _range(count: int, first: int, last: int, order: int) -> Span:
    """Return which n-grams lie within units ``first`` to ``last``."""
    end = min(max(last - order + 1, first), count)
    return min(first, end), end


def _blocks(found: Grams, span: Span) -> Iterator[tuple[tuple[NDArray[np.intp], ...], tuple[int, ...], Span]]:
    """Yield words, then characters, with the range of units that a window of the text covers."""
    first, last = (int(place) for place in np.searchsorted(found.places, span))
    words = tuple(int(place) for place in np.searchsorted(found.starts, (first, last)))
    yield found.words, WORD_ORDERS, (words[0], words[1])
    yield found.chars, CHAR_ORDERS, (first, last)


def features(text: str, spans: Sequence[Span]) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Return for each window the buckets of its n-grams, repeated as they are, and what each counts.

    Training learns from these; :meth:`NgramModel.score` reaches the same sums without listing them.
    """
    found = grams(text)
    rows: list[tuple[NDArray[np.intp], NDArray[np.float64]]] = []
    for span in spans:
        parts: list[NDArray[np.intp]] = []
        values: list[NDArray[np.float64]] = []
        for tables, orders, (first, last) in _blocks(found, span):
            block = [
                table[slice(*_range(len(table), first, last, order))]
                for table, order in zip(tables, orders, strict=True)
            ]
            joined = np.concatenate(block)
            parts.append(joined)
            values.append(np.full(len(joined), 1.0 / np.sqrt(max(len(joined), 1))))
        rows.append((np.concatenate(parts), np.concatenate(values)))
    return rows


class NgramModel:
    """Linear scores of windows.

    Args:
        weights: ``float16[BUCKETS, n_outputs]``.
        bias: ``float32[n_outputs]``.
    """

    __slots__ = ("_bias", "_weights", "outputs")

    def __init__(self, weights: NDArray[Any], bias: NDArray[Any]) -> None:
        self._weights = np.asarray(weights)
        self._bias = np.asarray(bias, dtype=np.float64)
        self.outputs = self._weights.shape[1]

    def score(self, text: str, spans: Sequence[Span]) -> NDArray[np.float64]:
        """Return ``float64[n_spans, n_outputs]``, logits."""
        found = grams(text)
        word_sums = [self._sums(table) for table in found.words]
        char_sums = [self._sums(table) for table in found.chars]
        result = np.empty((len(spans), self.outputs))
        for row, span in enumerate(spans):
            total = self._bias.copy()
            for (_, orders, units), sums in zip(_blocks(found, span), (word_sums, char_sums), strict=True):
                count, weight = 0, np.zeros(self.outputs)
                for upto, order in zip(sums, orders, strict=True):
                    first, end = _range(len(upto) - 1, *units, order)
                    count += end - first
                    weight += upto[end] - upto[first]
                total += weight / np.sqrt(max(count, 1))
            result[row] = total
        return result

    def _sums(self, table: NDArray[np.intp]) -> Sums:
        """Return what the n-grams before each place weigh together."""
        sums = np.zeros((len(table) + 1, self.outputs))
        np.cumsum(self._weights[table], axis=0, dtype=np.float64, out=sums[1:])
        return sums
