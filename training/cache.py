"""Trains the verifier of the semantic cache and measures it: ``python -m training.cache --data ../shared/data``.

Learned from: STS-B's training part, edits of one half on requests of HaluEval and CLINC. Measured on what is held out
whole: STS-B's other parts, edits of the other half on questions of HaluEval's other set, self-instruct and templates.
What ships is what was measured.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from gateway.cache import verifier as served
from gateway.cache.answer_guards import failed
from gateway.cache.questions import VERSION, read_question
from training import cache_report, cache_words, corpora
from training.cache_near import edits, half, near_misses
from training.cache_same import changes, paraphrases
from training.embeddings import Vectors

SEED = 11
THRESHOLD = 0.95
_MOST_CHARS = 220
_TREES, _DEPTH, _RATE = 150, 5, 0.15
# What is served wrongly costs more than what is not served.
_WEIGHTS = {"edits": 3.0, "intents": 2.0, "stsb": 2.0, "changes": 2.0}
# How much of what is served may be wrong, at the threshold, among what was learned from.
_WRONG = 0.006
_REPORT = Path(__file__).parent / "reports" / "cache.json"
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


def _sisters(archive: Path) -> tuple[dict[str, list[str]], frozenset[str]]:
    """Return words with others of the same sort, and nouns, of WordNet: only the usual sense of each."""
    files = cache_words.read(archive)
    first: dict[str, str] = {}
    totals: dict[str, int] = {}
    for line in files["index.sense"].decode("latin-1").splitlines():
        key, offset, number, tagged = line.split()
        lemma, kind = key.split("%")
        if kind[0] == "1" and number == "1" and int(tagged) >= 3 and lemma.isalpha():
            first[lemma], totals[lemma] = offset, int(tagged)
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
    return {lemma: its for lemma, its in sisters.items() if its}, frozenset(first)


def _near(data: Path, archive: Path, which: int, most: int) -> list[Pair]:
    texts = _texts(data, which)
    sisters, nouns = _sisters(archive)
    pool = sorted({name for text in texts for name in _names(text) if half(name, which)})[:600]
    found = near_misses(texts, edits(which, pool, sisters, nouns), most, SEED + which)
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


def _sts_pairs(data: Path, parts: Sequence[str], worst: float, best: float = 4.0) -> list[Pair]:
    return [
        Pair(one, other, score >= best, "stsb", str(min(4, int(score))), score)
        for part in parts
        for one, other, score in stsb(data, part)
        if score >= best or score < worst
    ]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is served at one threshold.

    Attributes:
        threshold: Of the chance, or of the cosine.
        stsb_recall: Of the pairs of STS-B rated 4 and more.
        stsb_recall_same: Of those rated 4.8 and more.
        stsb_precision_3: Where pairs rated below 3 are wrong.
        stsb_precision_4: Where pairs rated below 4 are wrong.
        changed_recall: Of the paraphrases that were made.
        recall: Of both together.
        precision: Of both together, where near misses and pairs rated below 3 are wrong.
        near_served: Of the near misses.
    """

    threshold: float
    stsb_recall: float
    stsb_recall_same: float
    stsb_precision_3: float
    stsb_precision_4: float
    changed_recall: float
    recall: float
    precision: float
    near_served: float


class Read:
    """Pairs, as the verifier sees them."""

    def __init__(self, pairs: Sequence[Pair], vectors: Vectors) -> None:
        self.pairs = list(pairs)
        rows = vectors.of([text for pair in pairs for text in (pair.one, pair.other)])
        self.cosines = np.einsum("ij,ij->i", rows[::2], rows[1::2])
        asked = [(read_question(pair.one, "en"), read_question(pair.other, "en")) for pair in pairs]
        self.found = [failed(new, old) for new, old in asked]
        self.features = np.array(
            [
                served.features(new, old, float(cosine), len(found))
                for (new, old), cosine, found in zip(asked, self.cosines, self.found, strict=True)
            ],
            dtype=np.float64,
        )
        self.questions = asked
        self.labels = np.array([pair.serves for pair in pairs])

    def chances(self) -> NDArray[np.float64]:
        """Return what the shipped code says."""
        return np.array(
            [
                verdict.chance if not (verdict := served.compare(new, old, float(cosine))).failed else 0.0
                for (new, old), cosine in zip(self.questions, self.cosines, strict=True)
            ]
        )


def fit(read: Read) -> served.Verifier:
    """Fit the trees: the cosine may only raise a chance, everything else may only lower it."""
    # Where a plural is a verb as well, one and many look alike: nothing can be learned from these.
    numbers = served.FEATURES.index("one or many")
    kept = np.array([pair.kind != "one or many" for pair in read.pairs]) | (read.features[:, numbers] > 0)
    signs = [1] + [-1] * (len(served.FEATURES) - 1)
    model = HistGradientBoostingClassifier(
        max_iter=_TREES, max_depth=_DEPTH, learning_rate=_RATE, min_samples_leaf=30, l2_regularization=1.0,
        monotonic_cst=signs, random_state=SEED, early_stopping=False,
    )  # fmt: skip
    weights = np.array([_WEIGHTS[pair.source] for pair in read.pairs])
    model.fit(read.features[kept], read.labels[kept], sample_weight=weights[kept])
    inside: dict[str, Any] = vars(model)
    trees: list[served.Tree] = []
    for (predictor,) in inside["_predictors"]:
        nodes = predictor.nodes
        limits = [node["value"] if node["is_leaf"] else node["num_threshold"] for node in nodes]
        trees.append(
            served.Tree(
                at=tuple(-1 if node["is_leaf"] else int(node["feature_idx"]) for node in nodes),
                limit=tuple(round(float(limit), 5) for limit in limits),
                low=tuple(int(node["left"]) for node in nodes),
                high=tuple(int(node["right"]) for node in nodes),
            )
        )
    start = float(inside["_baseline_prediction"].item())
    said = np.asarray(model.decision_function(read.features[kept]))
    shift = _shift(said, read.labels[kept])
    return served.Verifier(VERSION, served.FEATURES, round(start + shift, 5), tuple(trees))


def _shift(said: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Return what brings the threshold to where, in a traffic like the training set, so few of what is served is wrong.

    The trees saw near misses with a weight that traffic does not have, so that what they say is too little.
    """
    order = np.argsort(-said)
    wrong = np.cumsum(~labels[order]) / np.arange(1, len(order) + 1)
    last = int(np.flatnonzero(wrong <= _WRONG)[-1])
    return float(np.log(THRESHOLD / (1 - THRESHOLD)) - said[order][last])


def training_set(data: Path, archive: Path, vectors: Vectors) -> list[Pair]:
    """Return what the verifier is learned from."""
    return [
        *_sts_pairs(data, ("train",), 3.4),
        *_near(data, archive, 0, 500),
        *_same(data, 0, 350),
        *_other_intents(data, vectors, 2_000),
    ]


def measured_sets(data: Path, archive: Path) -> dict[str, list[Pair]]:
    """Return what is measured with."""
    return {
        "stsb": _sts_pairs(data, ("dev", "test"), 9.0),
        "edits": _near(data, archive, 1, 260),
        "changes": _same(data, 1, 150),
    }


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m training.cache", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of corpora")
    parser.add_argument("--models", type=Path, default=Path(".weighbridge/models"), help="what models build made")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="packages and vectors")
    args = parser.parse_args()
    vectors = Vectors(args.models, args.cache)
    archive = args.cache / "packages" / cache_words.ARCHIVE
    read = Read(training_set(args.data, archive, vectors), vectors)
    served.FILE.write_bytes(msgspec.json.encode(fit(read)))
    served.verifier.cache_clear()
    made = report({name: Read(pairs, vectors) for name, pairs in measured_sets(args.data, archive).items()})
    _REPORT.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    cache_report.main()


def _curve(scores: Mapping[str, NDArray[np.float64]], sets: Mapping[str, Read], steps: Sequence[float]) -> list[Row]:
    bands = np.array([pair.kind for pair in sets["stsb"].pairs])
    ratings = np.array([float(pair.rating) for pair in sets["stsb"].pairs])
    rows: list[Row] = []
    for step in steps:
        hits = {name: each >= step for name, each in scores.items()}
        right = int((hits["stsb"] & (bands == "4")).sum())
        below_3, below_4 = (int((hits["stsb"] & (ratings < limit)).sum()) for limit in (3, 4))
        near, changed = int(hits["edits"].sum()), int(hits["changes"].sum())
        rows.append(
            Row(
                threshold=step,
                stsb_recall=_share(hits["stsb"][bands == "4"]),
                stsb_recall_same=_share(hits["stsb"][ratings >= 4.8]),
                stsb_precision_3=right / max(1, right + below_3),
                stsb_precision_4=right / max(1, right + below_4),
                changed_recall=_share(hits["changes"]),
                recall=(right + changed) / (int((bands == "4").sum()) + len(hits["changes"])),
                precision=(right + changed) / max(1, right + changed + below_3 + near),
                near_served=_share(hits["edits"]),
            )
        )
    return rows


def _share(hits: NDArray[np.bool_]) -> float:
    return round(float(hits.mean()), 5) if len(hits) else 0.0


def _by_kind(hits: NDArray[np.bool_], pairs: Sequence[Pair]) -> dict[str, tuple[int, int]]:
    """Return for each kind how many there are and how many were served."""
    counted, served_of = Counter(pair.kind for pair in pairs), Counter[str]()
    served_of.update(pair.kind for pair, hit in zip(pairs, hits, strict=True) if hit)
    return {kind: (counted[kind], served_of[kind]) for kind in sorted(counted)}


def report(sets: Mapping[str, Read]) -> dict[str, Any]:
    """Return what the shipped code does with what was held out, and what a cosine alone would do."""
    chances = {name: each.chances() for name, each in sets.items()}
    cosines = {name: each.cosines for name, each in sets.items()}
    hits = {name: each >= THRESHOLD for name, each in chances.items()}
    return {
        "threshold": THRESHOLD,
        "pairs": {name: len(each.pairs) for name, each in sets.items()},
        "curve": _curve(chances, sets, (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99)),
        "cosine": _curve(cosines, sets, (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99)),
        "near": _by_kind(hits["edits"], sets["edits"].pairs),
        "changed": _by_kind(hits["changes"], sets["changes"].pairs),
    }


if __name__ == "__main__":
    main()
