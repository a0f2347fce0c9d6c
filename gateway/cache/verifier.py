"""How likely the answer to one question serves another: small trees over how the two differ.

Every number that the trees read is one that can only make it less likely when it grows, and they were fitted under that
condition: no combination of differences can make up for one. Only the cosine speaks for a hit, and it speaks alone.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from math import exp, log
from pathlib import Path
from typing import Any

import msgspec

from gateway.cache.alignment import Alignment, align, order
from gateway.cache.answer_guards import GUARDS, Found, compared
from gateway.cache.lexicon import lexicon
from gateway.cache.notes import CODE, NAME, NUMBER
from gateway.cache.questions import VERSION, Question
from gateway.cache.shades import UNKNOWN, shades

FILE = Path(__file__).parents[1] / "_models" / "cache-verifier.json"
# What the trees read, in this order: first what speaks for a hit, then what can only speak against it.
FEATURES = (
    *("cosine", "shades", "left", "left of one", "replaced", "share left"),
    *("special words left", "opposites", "sisters", "narrowed", "unknown words left"),
    *("rarest left", "next rarest left", "rarity left"),
    *("same meaning", "alike", "broader", "kin", "misspelt", "turned", "governed", "ways", "loosely governed"),
    *("one or many", "guards", "left open", "glue", "few words"),
)
FOR = 2
# Whatever the trees have not seen: a difference that a guard names is never likely to serve, nor is an opposite or
# another order.
_NAMED, _TURNED = 0.3, 0.5

# The most that a cross-encoder says either way, in log odds, and how near a chance may be to being sure.
MOST_ODDS, _SURE = 8.0, 1e-9

_NOTHING_LEFT = (0,) * 8
_GUARDS = FEATURES.index("guards")
_OTHER = tuple(FEATURES.index(name) for name in ("opposites", "turned", "governed"))


class Verdict(msgspec.Struct, frozen=True):
    """What is known of two questions.

    Attributes:
        chance: How likely the answer to one serves the other, 0 to 1.
        failed: The guards that found a difference, of those that were asked.
        most: The highest chance that there can be once both were read together.
    """

    chance: float
    failed: tuple[str, ...] = ()
    most: float = 0.0


class Tree(msgspec.Struct, frozen=True, array_like=True):
    """One tree: node N compares feature ``at[N]`` with ``limit[N]``; a leaf has feature -1, its limit is its value."""

    at: tuple[int, ...]
    limit: tuple[float, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]


class Together(msgspec.Struct, frozen=True):
    """What becomes of a chance once a cross-encoder has read both: in log odds, ``chance + weight * odds + bias``.

    Attributes:
        weight: Of what it says.
        bias: Added.
        least: Chances below this are left as they are: whatever it says, the words speak against it.
    """

    weight: float
    bias: float
    least: float = 0.0


class Verifier(msgspec.Struct, frozen=True):
    """What was trained."""

    version: int
    features: tuple[str, ...]
    start: float
    trees: tuple[Tree, ...]
    together: Together


class Forest:
    """A verifier as it is asked: one step down all trees at once, instead of one tree after the other.

    Args:
        trained: The verifier.
    """

    def __init__(self, trained: Verifier) -> None:
        self._numpy: Any = import_module("numpy")
        at: list[int] = []
        limit: list[float] = []
        below: list[tuple[int, int]] = []
        roots: list[int] = []
        for tree in trained.trees:
            root = len(at)
            roots.append(root)
            for node, feature in enumerate(tree.at):
                # Who has come to a leaf stays there.
                leaf = feature < 0
                at.append(max(feature, 0))
                limit.append(tree.limit[node])
                below.append((root + node, root + node) if leaf else (root + tree.low[node], root + tree.high[node]))
        self._start = trained.start
        self._at, self._limit = self._numpy.array(at, "i4"), self._numpy.array(limit)
        self._low, self._high = self._numpy.array(below, "i4").reshape(-1, 2).T.copy()
        self._roots = self._numpy.array(roots, "i4")
        self._steps = max((_depth(tree) for tree in trained.trees), default=0)

    def chance(self, features: tuple[float, ...]) -> float:
        """Return how likely a hit is right."""
        numpy = self._numpy
        values = numpy.array(features, dtype="f8")
        nodes = self._roots
        for _ in range(self._steps):
            lower = values[self._at[nodes]] <= self._limit[nodes]
            nodes = numpy.where(lower, self._low[nodes], self._high[nodes])
        return 1 / (1 + exp(-self._start - float(self._limit[nodes].sum())))


def _depth(tree: Tree, node: int = 0) -> int:
    """Return how many steps it is to the farthest leaf."""
    if tree.at[node] < 0:
        return 0
    return 1 + max(_depth(tree, tree.low[node]), _depth(tree, tree.high[node]))


@lru_cache(1)
def verifier() -> Verifier:
    """Return the verifier that is shipped."""
    return msgspec.json.decode(FILE.read_bytes(), type=Verifier)


@lru_cache(1)
def forest() -> Forest:
    """Return the same, ready to be asked."""
    return Forest(verifier())


def features(new: Question, old: Question, cosine: float, found: Found) -> tuple[float, ...]:
    """Return what the trees read of two questions, given what the guards found."""
    aligned = align(new, old)
    stand = order(aligned, new, old)
    only_new, only_old = len(aligned.left_new), len(aligned.left_old)
    return (
        cosine,
        shades().odds(new.shades, old.shades) if new.shades and old.shades else UNKNOWN,
        only_new + only_old,
        max(only_new, only_old),
        min(only_new, only_old),
        (only_new + only_old) / max(1, len(new.words) + len(old.words)),
        *(_left(aligned, new, old) if only_new or only_old else _NOTHING_LEFT),
        aligned.same,
        aligned.alike,
        aligned.broader,
        aligned.kin,
        aligned.typos,
        stand.turned,
        stand.governed,
        stand.ways,
        stand.loosely,
        stand.numbers,
        len(found.names),
        found.open,
        _glue(new.glue, old.glue),
        -min(len(new.words), len(old.words), 6),
    )


def _left(aligned: Alignment, new: Question, old: Question) -> tuple[int, ...]:
    """Return what is left over: special words, opposites, things of one sort, what narrows down, what is not known."""
    left = [(new, place) for place in aligned.left_new] + [(old, place) for place in aligned.left_old]
    words = lexicon()
    forms = [question.words[place] for question, place in left]
    across = [(new.words[one], old.words[other]) for one in aligned.left_new for other in aligned.left_old]
    rare = sorted((words.rarity(form) for form in forms), reverse=True)
    return (
        sum(bool(question.marks[place] & (NAME | CODE | NUMBER)) for question, place in left),
        sum(words.opposed(one, other) for one, other in across),
        sum(words.sisters(one, other) for one, other in across),
        sum(not words.usual(form) for form in forms),
        sum(not words.knows(form) for form in forms),
        rare[0],
        rare[1] if len(rare) > 1 else 0,
        sum(rare),
    )


def _glue(mine: tuple[str, ...], its: tuple[str, ...]) -> int:
    if mine == its:
        return 0
    left = list(its)
    missing = 0
    for word in mine:
        if word in left:
            left.remove(word)
        else:
            missing += 1
    return missing + len(left)


def compare(new: Question, old: Question, cosine: float, guards: frozenset[str] = GUARDS) -> Verdict:
    """Say how likely the answer to the old question serves the new one.

    Args:
        new: What is asked now.
        old: What was answered.
        cosine: How near their embeddings are.
        guards: Which guards refuse by name; the chance takes account of all of them.
    """
    if new.version != VERSION or old.version != VERSION or new.language != old.language:
        return Verdict(0.0)
    if new.whole or old.whole:
        same = float(new.whole == old.whole)
        return Verdict(same, most=same)
    if not new.words or not old.words:
        return Verdict(0.0)
    found = compared(new, old)
    read = features(new, old, cosine, found)
    limit = most(read)
    chance = min(forest().chance(read), limit)
    failed = tuple(name for name in found.names if name in guards)
    open_to_more = limit == 1.0 and chance >= verifier().together.least and new.pieces and old.pieces
    return Verdict(chance, failed, again(chance, MOST_ODDS) if open_to_more else chance)


def again(chance: float, odds: float) -> float:
    """Return how likely it is once a cross-encoder has read both questions.

    Args:
        chance: Before.
        odds: What it said, in log odds.
    """
    trained = verifier().together
    before = min(max(chance, _SURE), 1 - _SURE)
    after = log(before / (1 - before)) + trained.weight * max(-MOST_ODDS, min(MOST_ODDS, odds)) + trained.bias
    return 1 / (1 + exp(-after))


def most(read: tuple[float, ...]) -> float:
    """Return the highest chance that a pair may have."""
    if read[_GUARDS]:
        return _NAMED
    return _TURNED if any(read[place] for place in _OTHER) else 1.0
