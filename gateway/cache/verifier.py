"""How likely the answer to one question serves another: small trees over how the two differ.

Every number that the trees read is one that can only make it less likely when it grows, and they were fitted under that
condition: no combination of differences can make up for one. Only the cosine speaks for a hit, and it speaks alone.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp
from pathlib import Path

import msgspec

from gateway.cache.alignment import align, order
from gateway.cache.answer_guards import GUARDS, failed
from gateway.cache.lexicon import lexicon
from gateway.cache.notes import CODE, NAME, NUMBER
from gateway.cache.questions import VERSION, Question

FILE = Path(__file__).parents[1] / "_models" / "cache-verifier.json"
# What the trees read, in this order.
FEATURES = (
    *("cosine", "left", "left of one", "replaced", "share left", "special words left", "opposites"),
    *(
        "same meaning",
        "alike",
        "kin",
        "misspelt",
        "turned",
        "governed",
        "loosely governed",
        "one or many",
        "guards",
        "glue",
    ),
    *("few words", "unknown words left"),
)
# Whatever the trees have not seen: a difference that a guard names is never likely to serve, nor is one word for
# another or another order; and a word that only one question has must be seen to do no harm before it may.
_NAMED, _REPLACED, _LEFT = 0.3, 0.5, 0.9

_GUARDS, _ONE_SIDED = FEATURES.index("guards"), FEATURES.index("left")
_OTHER = tuple(FEATURES.index(name) for name in ("replaced", "opposites", "turned", "governed"))


class Verdict(msgspec.Struct, frozen=True):
    """What is known of two questions.

    Attributes:
        chance: How likely the answer to one serves the other, 0 to 1.
        failed: The guards that found a difference, of those that were asked.
    """

    chance: float
    failed: tuple[str, ...] = ()


class Tree(msgspec.Struct, frozen=True, array_like=True):
    """One tree: node N compares feature ``at[N]`` with ``limit[N]``; a leaf has feature -1, its limit is its value."""

    at: tuple[int, ...]
    limit: tuple[float, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]


class Verifier(msgspec.Struct, frozen=True):
    """What was trained."""

    version: int
    features: tuple[str, ...]
    start: float
    trees: tuple[Tree, ...]

    def chance(self, features: tuple[float, ...]) -> float:
        """Return how likely a hit is right."""
        total = self.start
        for tree in self.trees:
            at, limit, low, high = tree.at, tree.limit, tree.low, tree.high
            node = 0
            while (feature := at[node]) >= 0:
                node = low[node] if features[feature] <= limit[node] else high[node]
            total += limit[node]
        return 1 / (1 + exp(-total))


@lru_cache(1)
def verifier() -> Verifier:
    """Return the verifier that is shipped."""
    return msgspec.json.decode(FILE.read_bytes(), type=Verifier)


def features(new: Question, old: Question, cosine: float, found: int) -> tuple[float, ...]:
    """Return what the trees read of two questions, given how many guards found a difference."""
    aligned = align(new, old)
    stand = order(aligned, new, old)
    only_new, only_old = len(aligned.left_new), len(aligned.left_old)
    left = [(new, place) for place in aligned.left_new] + [(old, place) for place in aligned.left_old]
    words = lexicon()
    special = sum(bool(question.marks[place] & (NAME | CODE | NUMBER)) for question, place in left)
    unknown = sum(not words.knows(question.words[place]) for question, place in left)
    opposites = sum(
        words.opposed(new.words[one], old.words[other]) for one in aligned.left_new for other in aligned.left_old
    )
    fewest = min(len(new.words), len(old.words))
    return (
        cosine,
        only_new + only_old,
        max(only_new, only_old),
        min(only_new, only_old),
        (only_new + only_old) / max(1, len(new.words) + len(old.words)),
        special,
        opposites,
        aligned.same,
        aligned.alike,
        aligned.kin,
        aligned.typos,
        stand.turned,
        stand.governed,
        stand.loosely,
        stand.numbers,
        found,
        _glue(new.glue, old.glue),
        -min(fewest, 6),
        unknown,
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
        return Verdict(float(new.whole == old.whole))
    if not new.words or not old.words:
        return Verdict(0.0)
    found = failed(new, old)
    read = features(new, old, cosine, len(found))
    chance = min(verifier().chance(read), _most(read))
    return Verdict(chance, tuple(name for name in found if name in guards))


def _most(read: tuple[float, ...]) -> float:
    """Return the highest chance that a pair may have."""
    if read[_GUARDS]:
        return _NAMED
    if any(read[place] for place in _OTHER):
        return _REPLACED
    return _LEFT if read[_ONE_SIDED] else 1.0
