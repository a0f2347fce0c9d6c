"""The cheap tier: a linear model over hashed n-grams of words and of characters.

Everything is a handful of numpy calls over whole arrays, so that a text of any length costs a few passes: hash every
n-gram where it begins, look its weight up, and sum up to each place. The sum of a window is then a difference of two
sums, and a hundred windows cost as much as one. Nothing is tokenised by a model, no dictionary is kept: an n-gram is
its hash, and two that share a bucket share a weight.

What counts is folded first: small letters, no accents, any digit a 0, any space a space, never more than three of the
same in a row. Folding keeps one place for each character, so a window of the text is a window of the arrays.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
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
# No script before this one goes without spaces between words.
_ALONE_FROM = 0x2E80
# Odd numbers without a pattern; the first is 2^64 divided by the golden ratio.
_MIX = np.uint64(0x9E3779B97F4A7C15)
_NEXT = np.uint64(0xD1B54A32D192ED03)
_ORDER = np.uint64(0xBF58476D1CE4E5B9)
_ROLL = np.uint64(31)
# Letters of a word past this many are hashed as if they stood at its beginning.
_WORD_TABLE = 64

Span = tuple[int, int]
Hashes = NDArray[np.uint64]
# Of each order and window: where the n-grams begin, and where they end.
Bounds = tuple[NDArray[np.intp], NDArray[np.intp]]


class _Tables(msgspec.Struct, frozen=True):
    """For each character of the basic plane: what it counts as, whether it is of a word, and is a word by itself."""

    folded: NDArray[np.uint32]
    wordly: NDArray[np.bool_]
    alone: NDArray[np.bool_]


class Listed(msgspec.Struct, frozen=True):
    """The n-grams of one kind: those of each order behind those of the one before, by where they begin.

    Attributes:
        buckets: Of all of them.
        starts: Where each order begins, and where the last one ends.
        orders: Which orders they are.
    """

    buckets: NDArray[np.intp]
    starts: tuple[int, ...]
    orders: tuple[int, ...]

    def within(self, first: NDArray[np.intp], last: NDArray[np.intp]) -> Bounds:
        """Return for each order, one a row, between which places the n-grams within units ``first`` to ``last`` lie."""
        orders = np.array(self.orders)[:, None]
        starts = np.array(self.starts)[:, None]
        end = np.minimum(np.maximum(last - orders + 1, first), np.diff(starts, axis=0))
        return starts[:-1] + np.minimum(first, end), starts[:-1] + end


class Grams(msgspec.Struct, frozen=True):
    """The n-grams of one text.

    Attributes:
        places: Where in the text each character that counts stands; ascending.
        starts: Which of those begin a word.
        hashes: Of each word.
        words: Of words.
        chars: Of characters.
    """

    places: NDArray[np.intp]
    starts: NDArray[np.intp]
    hashes: Hashes
    words: Listed
    chars: Listed


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
        alone[code] = kind == "Lo" and code >= _ALONE_FROM
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


def _folded(text: str) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Return what counts of a text, folded, and where it stands."""
    table = _tables().folded
    raw = _codes(text)
    folded = table[raw] if _basic(raw) else np.where(raw < _PLANE, table[np.minimum(raw, _PLANE - 1)], raw)
    places = np.flatnonzero(folded != _GONE)
    folded = folded[places]
    # Spaces become one, anything else at most three.
    same = folded[1:] == folded[:-1]
    drop = same & (folded[1:] == _SPACE)
    drop[2:] |= same[2:] & same[1:-1] & same[:-2]
    if drop.any():
        kept = np.flatnonzero(np.concatenate(([True], ~drop)))
        places, folded = places[kept], folded[kept]
    return folded, places


def _basic(codes: NDArray[np.uint32]) -> bool:
    return not len(codes) or int(codes.max()) < _PLANE


def _words(folded: NDArray[np.uint32], codes: Hashes) -> tuple[NDArray[np.intp], Hashes]:
    """Return where words begin, and the hash of each: the sum of its letters, each mixed with its place in the word."""
    tables = _tables()
    low = folded if _basic(folded) else np.minimum(folded, _PLANE - 1)
    wordly = tables.wordly[low]
    begins = wordly.copy()
    begins[1:] &= ~wordly[:-1]
    if len(folded) and int(folded.max()) >= _ALONE_FROM:
        alone = tables.alone[low]
        begins |= wordly & alone
        begins[1:] |= wordly[1:] & alone[:-1]
    starts = np.flatnonzero(begins)
    letters = codes[wordly]
    if not len(starts):
        return starts, letters
    first = np.cumsum(wordly)[starts] - 1
    rank = (np.arange(len(letters)) - np.repeat(first, np.diff(first, append=len(letters)))) % _WORD_TABLE
    letters *= _MIX * (rank.astype(np.uint64) * np.uint64(2) + np.uint64(1))
    letters ^= letters >> np.uint64(29)
    letters *= _NEXT
    return starts, np.add.reduceat(letters, first)


def _orders(units: Hashes, orders: tuple[int, ...], bits: int, base: int) -> Listed:
    """Hash every n-gram of units, for each order, by where it begins."""
    count = len(units)
    starts = [0]
    for order in orders:
        starts.append(starts[-1] + max(count - order + 1, 0))
    hashes = np.empty(starts[-1], dtype=np.uint64)
    rolling, shifted = units.copy(), np.empty_like(units)
    for length in range(1, min(orders[-1], count) + 1):
        rolling = rolling[: count - length + 1]
        if length > 1:
            rolling *= _MIX
            rolling += units[length - 1 :]
            rolling ^= np.right_shift(rolling, _ROLL, out=shifted[: len(rolling)])
        if length in orders:
            part = orders.index(length)
            np.bitwise_xor(rolling, np.uint64(length), out=hashes[starts[part] : starts[part + 1]])
    hashes *= _ORDER
    hashes >>= np.uint64(64 - bits)
    if base:
        hashes += np.uint64(base)
    # All are small enough for a number with a sign.
    return Listed(hashes.view(np.intp), tuple(starts), orders)


def grams(text: str) -> Grams:
    """Return the n-grams of a text."""
    folded, places = _folded(text)
    codes = folded.astype(np.uint64)
    starts, words = _words(folded, codes)
    return Grams(
        places,
        starts,
        words,
        _orders(words, WORD_ORDERS, WORD_BITS, 0),
        _orders(codes, CHAR_ORDERS, CHAR_BITS, WORD_BUCKETS),
    )


def within(found: Grams, spans: Sequence[Span]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return for each window of the text the first and behind the last of its words, and the same of its characters."""
    ends = np.searchsorted(found.places, np.asarray(spans, dtype=np.intp).reshape(-1, 2)).T
    return np.searchsorted(found.starts, ends), ends


def _blocks(found: Grams, spans: Sequence[Span]) -> tuple[tuple[Listed, Bounds], ...]:
    """Return words, then characters, with the bounds of the n-grams of each order in each window of the text."""
    words, ends = within(found, spans)
    return (found.words, found.words.within(*words)), (found.chars, found.chars.within(*ends))


def features(text: str, spans: Sequence[Span]) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Return for each window the buckets of its n-grams, repeated as they are, and what each counts.

    Training learns from these; :meth:`NgramModel.score` reaches the same sums without listing them.
    """
    blocks = _blocks(grams(text), spans)
    rows: list[tuple[NDArray[np.intp], NDArray[np.float64]]] = []
    for row in range(len(spans)):
        parts = [
            np.concatenate([listed.buckets[start:end] for start, end in zip(first[:, row], last[:, row], strict=True)])
            for listed, (first, last) in blocks
        ]
        values = [np.full(len(part), 1.0 / np.sqrt(max(len(part), 1))) for part in parts]
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
        return self.weigh(grams(text), spans)

    def weigh(self, found: Grams, spans: Sequence[Span]) -> NDArray[np.float64]:
        """Return the same for a text whose n-grams are known."""
        result = np.tile(self._bias, (len(spans), 1))
        whole = len(spans) == 1 and _covers(spans[0], found.places)
        for listed, (first, last) in () if whole else _blocks(found, spans):
            # What the n-grams before each place weigh together: a window is a difference.
            sums = np.zeros((len(listed.buckets) + 1, self.outputs))
            np.cumsum(self._weights.take(listed.buckets, axis=0), axis=0, dtype=np.float64, out=sums[1:])
            weight, count = (sums[last] - sums[first]).sum(axis=0), (last - first).sum(axis=0)
            result += weight / np.sqrt(np.maximum(count, 1))[:, None]
        for listed in (found.words, found.chars) if whole else ():
            weight = self._weights.take(listed.buckets, axis=0).sum(axis=0, dtype=np.float64)
            result += weight / math.sqrt(max(len(listed.buckets), 1))
        return result


def _covers(span: Span, places: NDArray[np.intp]) -> bool:
    return not len(places) or (span[0] <= places[0] and places[-1] < span[1])
