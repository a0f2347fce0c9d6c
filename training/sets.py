"""Puts the training set for injection together, with every source in its place and of a bearable size."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import corpora, made, packages
from training.corpora import Item

SEED = 7
# Of a source that has more, so many texts are taken.
_MOST = {
    ("clinc", False): 2_500,
    ("stsb", False): 500,
    ("interface", False): 1_500,
    ("tasks", False): 900,
    ("talk-pages", False): 500,
    ("s-labs", False): 2_200,
    ("s-labs", True): 2_200,
    ("jbb-search", True): 60,
    ("pyrit", True): 300,
}
_OWN_REQUESTS, _OWN_MANY, _OWN_ATTACKS = 2_200, 700, 1_000
_SHINGLE = 8
# A text that shares this much with a held-out one is left out of training.
_DUPLICATE = 0.2


def _limited(items: Iterable[Item], rng: random.Random) -> list[Item]:
    shuffled = list(items)
    rng.shuffle(shuffled)
    taken: dict[tuple[str, bool], int] = {}
    kept: list[Item] = []
    for item in shuffled:
        key = (item.source, item.label)
        taken[key] = taken.get(key, 0) + 1
        if taken[key] <= _MOST.get(key, len(shuffled)):
            kept.append(item)
    return sorted(kept, key=lambda item: (item.source, item.part, item.text))


def injection(data: Path, cache: Path) -> list[Item]:
    """Return every text that injection is learned from, in a fixed order."""
    rng = random.Random(SEED)
    read = [*corpora.read(data, (*corpora.ATTACKS, *corpora.BENIGN)), *packages.read(cache / "packages")]
    kept = _limited(read, rng)
    own = made.harmless(_OWN_REQUESTS, _OWN_MANY, SEED)
    requests = [item.text for item in kept if item.source == "halueval"][:600]
    requests += [item.text for item in own if item.part == "en"][:600]
    return [*kept, *own, *made.attacks(requests, _OWN_ATTACKS, SEED)]


def shingles(text: str) -> frozenset[int]:
    """Return runs of words, as numbers that hold in one run of a program."""
    words = text.lower().split()
    return frozenset(
        hash(" ".join(words[first : first + _SHINGLE])) for first in range(max(1, len(words) - _SHINGLE + 1))
    )


def near(all_shingles: list[frozenset[int]], held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which texts share runs of words with those that are held out."""
    known: set[int] = set()
    for number in np.flatnonzero(held_out):
        known |= all_shingles[number]
    return np.array([len(own & known) >= max(1.0, _DUPLICATE * len(own)) for own in all_shingles])
