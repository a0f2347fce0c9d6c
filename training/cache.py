"""Trains the verifier of the semantic cache and measures it: ``python -m training.cache --data ../shared/data``.

What it learns from and what is held out is said in :mod:`training.cache_pairs`. The network over embeddings comes
first; the trees learn from what networks say that have not seen the pair. Last comes how much the cross-encoder
counts, which was trained before (:mod:`training.cross_encoder`). What ships is what was measured.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from gateway.cache import shades as shaded
from gateway.cache import verifier as served
from gateway.cache.answer_guards import compared
from gateway.cache.questions import VERSION, read_question
from training import cache_report, cache_shades, cache_words
from training.cache_pairs import SEED, Pair, measured_sets, training_set, tuned_set
from training.embeddings import Vectors
from training.read_together import Odds, fitted

THRESHOLD = 0.95
_TREES, _DEPTH, _RATE = 150, 5, 0.15
# What is served wrongly costs more than what is not served.
_WEIGHTS = {"edits": 3.0, "intents": 2.0, "stsb": 2.0, "changes": 2.0}
# How many near misses may be served at the threshold, among those that it is set by.
_SERVED = 0.01
# The same where both were read together.
_SERVED_TOGETHER = 0.012
_REPORT = Path(__file__).parent / "reports" / "cache.json"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is served at one threshold.

    Attributes:
        threshold: Of the chance, or of the cosine.
        stsb_recall: Of the pairs of STS-B rated 4 and more.
        stsb_recall_nearly: Of those rated 4.5 and more.
        stsb_recall_same: Of those rated 5.
        stsb_precision_3: Where pairs rated below 3 are wrong.
        stsb_precision_4: Where pairs rated below 4 are wrong.
        changed_recall: Of the paraphrases that were made.
        recall: Of both together.
        precision: Of both together, where near misses and pairs rated below 3 are wrong.
        near_served: Of the near misses.
        worded_served: Of the near misses that are worded otherwise as well.
    """

    threshold: float
    stsb_recall: float
    stsb_recall_nearly: float
    stsb_recall_same: float
    stsb_precision_3: float
    stsb_precision_4: float
    changed_recall: float
    recall: float
    precision: float
    near_served: float
    worded_served: float


class Read:
    """Pairs, as the verifier sees them."""

    def __init__(self, pairs: Sequence[Pair], vectors: Vectors, odds: Odds | None = None) -> None:
        self.pairs = list(pairs)
        self._odds = odds
        rows = vectors.of([text for pair in pairs for text in (pair.one, pair.other)])
        self.cosines = np.einsum("ij,ij->i", rows[::2], rows[1::2])
        kept = [shaded.kept(row.astype("<f2").tobytes()) for row in rows]
        self.kept = list(zip(kept[::2], kept[1::2], strict=True))
        pieces = odds.pieces(text for pair in pairs for text in (pair.one, pair.other)) if odds else [b""] * len(kept)
        read = [
            read_question(text, "en", shades, cut)
            for text, shades, cut in zip(
                (text for pair in pairs for text in (pair.one, pair.other)), kept, pieces, strict=True
            )
        ]
        self.questions = list(zip(read[::2], read[1::2], strict=True))
        self.labels = np.array([pair.serves for pair in pairs])

    def apart(self) -> NDArray[np.float32]:
        """Return how far the numbers of the two embeddings are apart."""
        one, other = (
            np.frombuffer(b"".join(each), dtype=np.int8).reshape(len(self.kept), -1).astype(np.float32)
            for each in zip(*self.kept, strict=True)
        )
        return np.abs(one - other)

    def features(self) -> NDArray[np.float64]:
        """Return what the trees read."""
        return np.array(
            [
                served.features(new, old, float(cosine), compared(new, old))
                for (new, old), cosine in zip(self.questions, self.cosines, strict=True)
            ],
            dtype=np.float64,
        )

    def before(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the chance of each pair by its words, and what the cross-encoder says, where it is asked."""
        verdicts = [
            served.compare(new, old, float(cosine))
            for (new, old), cosine in zip(self.questions, self.cosines, strict=True)
        ]
        chances = np.array([0.0 if verdict.failed else verdict.chance for verdict in verdicts])
        odds = np.full(len(chances), np.nan)
        asked = [
            place for place, verdict in enumerate(verdicts) if not verdict.failed and verdict.most > verdict.chance
        ]
        if self._odds and asked:
            odds[asked] = self._odds.of(
                [(new.pieces, old.pieces) for new, old in map(self.questions.__getitem__, asked)]
            )
        return chances, odds

    def chances(self) -> NDArray[np.float64]:
        """Return what the shipped code says."""
        return np.array(
            [
                chance if np.isnan(odds) else served.again(float(chance), float(odds))
                for chance, odds in zip(*self.before(), strict=True)
            ]
        )


def learn(read: Read, tuned: Read) -> served.Verifier:
    """Fit the network, write it, and fit the trees."""
    rated = np.array([pair.source == "stsb" for pair in read.pairs])
    fold = cache_shades.folds([pair.one for pair in read.pairs])
    apart = read.apart()
    arrays = cache_shades.fitted(apart, read.labels, rated)
    cache_shades.write(arrays)
    features = read.features()
    features[:, served.FEATURES.index("shades")] = cache_shades.out_of_fold(apart, read.labels, rated, fold, read.kept)
    return fit(read, features, tuned.features())


def fit(read: Read, features: NDArray[np.float64], tuned: NDArray[np.float64]) -> served.Verifier:
    """Fit the trees: what speaks for a hit may only raise a chance, everything else may only lower it."""
    # Where a plural is a verb as well, one and many look alike: nothing can be learned from these.
    numbers = served.FEATURES.index("one or many")
    kept = np.array([pair.kind != "one or many" for pair in read.pairs]) | (features[:, numbers] > 0)
    weights = np.array([_WEIGHTS[pair.source] for pair in read.pairs])
    signs = [1] * served.FOR + [-1] * (len(served.FEATURES) - served.FOR)
    model = HistGradientBoostingClassifier(
        max_iter=_TREES, max_depth=_DEPTH, learning_rate=_RATE, min_samples_leaf=30, l2_regularization=1.0,
        monotonic_cst=signs, random_state=SEED, early_stopping=False,
    )  # fmt: skip
    model.fit(features[kept], read.labels[kept], sample_weight=weights[kept])
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
    said = np.asarray(model.decision_function(tuned))
    held = np.array([served.most(tuple(row)) < 1.0 for row in tuned])
    shifted = round(start + _shift(said, held), 5)
    return served.Verifier(VERSION, served.FEATURES, shifted, tuple(trees), served.Together(1.0, 0.0))


def _shift(said: NDArray[np.float64], held: NDArray[np.bool_]) -> float:
    """Return what brings the threshold to where so few near misses that were not learned from are served.

    The trees saw near misses more often, and with a weight, that traffic does not have, so what they say is too little.

    Args:
        said: Of near misses.
        held: Which of them are not served whatever the trees say.
    """
    least = float(np.quantile(np.where(held, -np.inf, said), 1 - _SERVED, method="higher"))
    return float(np.log(THRESHOLD / (1 - THRESHOLD))) - least


def ship(made: served.Verifier) -> None:
    """Write what was fitted, and have it in force here."""
    served.FILE.write_bytes(msgspec.json.encode(made))
    served.verifier.cache_clear()
    served.forest.cache_clear()


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m training.cache", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of corpora")
    parser.add_argument("--models", type=Path, default=Path(".weighbridge/models"), help="what models build made")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="packages and vectors")
    parser.add_argument("--together", action="store_true", help="only how much the cross-encoder counts")
    args = parser.parse_args()
    vectors = Vectors(args.models, args.cache)
    archive = args.cache / "packages" / cache_words.ARCHIVE
    odds = Odds(args.models)
    tuned = Read(tuned_set(args.data, archive), vectors, odds)
    if not args.together:
        ship(learn(Read(training_set(args.data, archive, vectors), vectors), tuned))
    held_out = {name: Read(pairs, vectors, odds) for name, pairs in measured_sets(args.data, archive).items()}
    # For this, all that may be read is read.
    ship(msgspec.structs.replace(served.verifier(), together=served.Together(1.0, 0.0)))
    together = fitted(*tuned.before(), THRESHOLD, _SERVED_TOGETHER)
    ship(msgspec.structs.replace(served.verifier(), together=together))
    told = report(held_out)
    _REPORT.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
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
                stsb_recall_nearly=_share(hits["stsb"][ratings >= 4.5]),
                stsb_recall_same=_share(hits["stsb"][ratings >= 5.0]),
                stsb_precision_3=right / max(1, right + below_3),
                stsb_precision_4=right / max(1, right + below_4),
                changed_recall=_share(hits["changes"]),
                recall=(right + changed) / (int((bands == "4").sum()) + len(hits["changes"])),
                precision=(right + changed) / max(1, right + changed + below_3 + near),
                near_served=_share(hits["edits"]),
                worded_served=_share(hits["worded"]),
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
        "worded": _by_kind(hits["worded"], sets["worded"].pairs),
        "changed": _by_kind(hits["changes"], sets["changes"].pairs),
    }


if __name__ == "__main__":
    main()
