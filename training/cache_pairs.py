"""Pairs of questions that the verifier of the semantic cache is learned from and measured with.

Learned from: STS-B's training part, and edits and paraphrases of one half, made on requests of HaluEval and CLINC and
on sentences of STS-B's training part. Measured on what is held out whole: STS-B's other parts, edits of the other half
on questions of HaluEval's other set, self-instruct and templates.

A near miss that is worded otherwise as well is made of two sentences that people held to be the same, one of them
edited: who learns from one edit at a time only learns to tell what a program wrote from what people write.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from gateway.cache.little_words import LITTLE
from training import cache_words, corpora
from training.cache_near import Near, Words, edits, half, near_misses
from training.cache_same import changes, paraphrases
from training.embeddings import Vectors

SEED = 11
_PLAIN_SEED, _WORDED_SEED = 5, 7
_MOST_CHARS = 220
# Pairs of STS-B from here on are the same question, for one of them to be edited.
_SAME = 4.4
_TEMPLATES = Path(__file__).parent / "phrases" / "questions.txt"


class Pair(msgspec.Struct, frozen=True):
    """Two questions, whether the answer to one serves the other, and where they come from."""

    one: str
    other: str
    serves: bool
    source: str
    kind: str = ""
    rating: float = 0.0


def stsb(data: Path, part: str) -> list[tuple[str, str, float]]:
    """Return STS-B's pairs with how alike people found them, 0 to 5."""
    with (data / f"stsb/stsb-en-{part}.csv").open(encoding="utf-8", newline="") as file:
        return [(row[0], row[1], float(row[2])) for row in csv.reader(file)]


def _texts(data: Path, which: int) -> list[str]:
    readers = corpora.ASKED if which == 0 else corpora.ASKED_ELSEWHERE
    found = [
        item.text for item in corpora.read(data, readers) if 12 < len(item.text) < _MOST_CHARS and "\n" not in item.text
    ]
    lines = [line for line in _TEMPLATES.read_text(encoding="utf-8").splitlines() if half(line, which)]
    rng = random.Random(SEED + which)
    found = rng.sample(found, min(5_000, len(found)))
    sentences = [one for one, _, _ in stsb(data, "train" if which == 0 else "test")]
    # Templates come first to be edited: they have the units, the days and the directions that the corpora lack.
    return lines * 3 + found + rng.sample(sentences, 600)


def _words(archive: Path, which: int) -> Words:
    """Return words of WordNet, only the usual sense of each; those to narrow down with only to learn from."""
    files = cache_words.read(archive)
    first: dict[str, str] = {}
    modifiers: set[str] = set()
    for line in files["index.sense"].decode("latin-1").splitlines():
        key, offset, number, tagged = line.split()
        lemma, kind = key.split("%")
        if kind[0] == "1" and number == "1" and int(tagged) >= 3 and lemma.isalpha():
            first[lemma] = offset
        if kind[0] in "35" and number == "1" and int(tagged) >= 3 and lemma.isalpha():
            modifiers.add(lemma)
    above: dict[str, list[str]] = {}
    for line in files["data.noun"].decode("latin-1").splitlines():
        if line.startswith("  "):
            continue
        fields = line.split(" | ", 1)[0].split()
        at = 4 + 2 * int(fields[3], 16)
        above[fields[0]] = [fields[at + 2 + 4 * n] for n in range(int(fields[at])) if fields[at + 1 + 4 * n] == "@"]
    kinds: dict[str, list[str]] = {}
    for lemma, offset in first.items():
        for over in above.get(offset, []):
            kinds.setdefault(over, []).append(lemma)
    sisters = {
        lemma: [each for over in above.get(offset, []) for each in kinds[over] if first[each] != offset][:12]
        for lemma, offset in first.items()
    }
    return Words(
        sisters={lemma: its for lemma, its in sisters.items() if its},
        nouns=frozenset(first),
        modifiers=sorted(modifiers - set(LITTLE["en"])) if which == 0 else (),
    )


def _near(data: Path, archive: Path, which: int, most: int) -> list[Pair]:
    texts = _texts(data, which)
    words = _words(archive, which)
    pool = sorted({name for text in texts for name in _names(text) if half(name, which)})[:600]
    found = near_misses(texts, edits(which, pool, words), most, SEED + which)
    return [Pair(near.one, near.other, False, "edits", near.kind) for near in found]


def _names(text: str) -> list[str]:
    words = text.split()
    return [
        word.strip("?.,!'\"")
        for word in words[1:]
        if word[:1].isupper() and word.strip("?.,!'\"").isalpha() and len(word) > 3
    ]


def _same(data: Path, which: int, most: int) -> list[Pair]:
    found = paraphrases(_texts(data, which), changes(which), most, SEED + which)
    return [Pair(near.one, near.other, True, "changes", near.kind) for near in found]


def _other_intents(data: Path, vectors: Vectors, most: int) -> list[Pair]:
    """Return requests of CLINC that are near each other and want different things."""
    rows = corpora.documents(data / "clinc_oos/data_full.json")["train"]
    rows = random.Random(SEED).sample(rows, 4_000)
    numbers = vectors.of([text for text, _ in rows])
    near = numbers @ numbers.T
    found: list[tuple[float, int, int]] = []
    for one in range(len(rows)):
        found += [
            (float(near[one, other]), one, int(other))
            for other in np.argsort(-near[one])[1:6]
            if one < other and rows[one][1] != rows[other][1]
        ]
    found.sort(reverse=True)
    return [Pair(rows[one][0], rows[other][0], False, "intents") for _, one, other in found[:most]]


def sts_pairs(data: Path, parts: Sequence[str], worst: float, best: float = 4.0) -> list[Pair]:
    """Return STS-B's pairs that serve, and those rated below ``worst``, which do not."""
    return [
        Pair(one, other, score >= best, "stsb", str(min(4, int(score))), score)
        for part in parts
        for one, other, score in stsb(data, part)
        if score >= best or score < worst
    ]


def _sentences(data: Path, parts: Sequence[str]) -> list[str]:
    return sorted(
        {
            text
            for part in parts
            for one, other, _ in stsb(data, part)
            for text in (one, other)
            if 12 < len(text) < _MOST_CHARS
        }
    )


class _Made:
    """Makes pairs of sentences of STS-B.

    Args:
        data: Folder of corpora.
        archive: WordNet.
        parts: Of STS-B.
        which: Half of the edits.
    """

    def __init__(self, data: Path, archive: Path, parts: Sequence[str], which: int) -> None:
        self._texts = _sentences(data, parts)
        self._which = which
        pool = sorted({name for text in self._texts for name in _names(text) if half(name, which)})[:600]
        self._edits = edits(which, pool, _words(archive, which))
        same = [
            (one, other)
            for part in parts
            for one, other, score in stsb(data, part)
            if score >= _SAME and max(len(one), len(other)) < _MOST_CHARS
        ]
        # The partner of each.
        self._others: dict[str, str] = {}
        for one, other in (*same, *((other, one) for one, other in same)):
            self._others.setdefault(one, other)

    def plain(self, near: int, same: int) -> list[Pair]:
        """Return near misses and paraphrases of single sentences, so many of a kind."""
        return self._of(self._texts, near, same, _PLAIN_SEED + self._which)

    def worded(self, near: int, same: int) -> list[Pair]:
        """Return the same of pairs of sentences: one of the two is changed."""
        made = self._of(sorted(self._others), near, same, _WORDED_SEED + self._which)
        return [msgspec.structs.replace(pair, one=self._others[pair.one]) for pair in made]

    def _of(self, texts: Sequence[str], near: int, same: int, seed: int) -> list[Pair]:
        missed = near_misses(texts, self._edits, near, seed)
        kept = paraphrases(texts, changes(self._which), same, seed)
        return [*(_pair(each, serves=False) for each in missed), *(_pair(each, serves=True) for each in kept)]


def _pair(made: Near, *, serves: bool) -> Pair:
    return Pair(made.one, made.other, serves, "changes" if serves else "edits", made.kind)


def training_set(data: Path, archive: Path, vectors: Vectors) -> list[Pair]:
    """Return what the verifier is learned from."""
    sentences = _Made(data, archive, ("train",), 0)
    return [
        *sts_pairs(data, ("train",), 3.0),
        *_near(data, archive, 0, 500),
        *_same(data, 0, 350),
        *_other_intents(data, vectors, 2_000),
        *sentences.plain(350, 120),
        *sentences.worded(320, 80),
    ]


def tuned_set(data: Path, archive: Path) -> list[Pair]:
    """Return near misses that nothing was learned from and that say how likely is likely enough."""
    return [pair for pair in _Made(data, archive, ("dev",), 1).plain(60, 0) if not pair.serves]


def measured_sets(data: Path, archive: Path) -> dict[str, list[Pair]]:
    """Return what is measured with."""
    worded = _Made(data, archive, ("test",), 1).worded(80, 40)
    return {
        "stsb": sts_pairs(data, ("test",), 9.0),
        "stsb dev": sts_pairs(data, ("dev",), 9.0),
        "edits": _near(data, archive, 1, 260),
        "worded": [pair for pair in worded if not pair.serves],
        "changes": _same(data, 1, 150),
    }
