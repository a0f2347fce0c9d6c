"""Fits both tiers over pieces of texts, and puts texts together from their pieces."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

from gateway.guards.models.heads import Head
from gateway.guards.models.ngrams import BUCKETS, features
from training.embeddings import Vectors

SEED = 20_261
ALPHA, EPOCHS = 5e-6, 12
HIDDEN, HEAD_EPOCHS, HEAD_ALPHA, HEAD_BATCH = 48, 8, 2e-3, 256
# What is looked at of a text with many pieces: these many, the first ones and some of the others.
FIRST_PIECES, MORE_PIECES = 3, 5

Mask = NDArray[np.bool_]
Logits = NDArray[np.float64]


class Cut(msgspec.Struct):
    """Texts in pieces, with what each tier reads of them.

    Attributes:
        owner: For each piece, which text it is of.
        counts: For each text, how many pieces it has.
        rows: n-grams, one row a piece.
        vectors: Embeddings, one row a piece.
    """

    owner: NDArray[np.intp]
    counts: NDArray[np.intp]
    rows: sparse.csr_matrix
    vectors: NDArray[np.float32]

    @property
    def first(self) -> NDArray[np.intp]:
        """Where each text's pieces begin."""
        return np.cumsum(self.counts) - self.counts

    def by_text(self, logits: Logits, per_doubling: float) -> Logits:
        """Return a logit for each text: its highest piece, less the correction."""
        return np.maximum.reduceat(logits, self.first) - per_doubling * np.log2(self.counts)


class Tiers(msgspec.Struct):
    """Both tiers, fitted. ``head`` holds the arrays of :class:`gateway.guards.models.heads.Head`."""

    weights: NDArray[np.float64]
    bias: float
    head: dict[str, NDArray[Any]]

    def logits(self, cut: Cut, which: Mask | slice = slice(None)) -> tuple[Logits, Logits]:
        """Return what the n-grams and what the model say of pieces; the model's first output."""
        return cut.rows[which] @ self.weights + self.bias, Head(self.head)(cut.vectors[which])[:, 0]


def chosen(cutter: Callable[[str], list[tuple[int, int]]], text: str) -> list[tuple[int, int]]:
    """Return a text's pieces; of many the first ones and some of the others, always the same."""
    spans = cutter(text) or [(0, len(text))]
    if len(spans) <= FIRST_PIECES + MORE_PIECES:
        return spans
    rng = np.random.default_rng(len(text))
    later = rng.permutation(np.arange(FIRST_PIECES, len(spans)))[:MORE_PIECES]
    return [*spans[:FIRST_PIECES], *(spans[number] for number in sorted(later))]


def cut(texts: Sequence[str], cutter: Callable[[str], list[tuple[int, int]]], vectors: Vectors) -> Cut:
    """Cut texts and prepare both tiers' inputs; of a long text so many pieces as :func:`chosen` takes."""
    return _prepared(texts, [chosen(cutter, text) for text in texts], vectors)


def _prepared(texts: Sequence[str], spans: Sequence[list[tuple[int, int]]], vectors: Vectors) -> Cut:
    counts = np.array([len(each) for each in spans])
    pieces = [text[slice(*span)] for text, own in zip(texts, spans, strict=True) for span in own]
    return Cut(np.repeat(np.arange(len(texts)), counts), counts, matrix(texts, spans), vectors.of(pieces))


def matrix(texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]]) -> sparse.csr_matrix:
    """Return the n-grams of every piece of every text, one row a piece."""
    columns: list[NDArray[np.int32]] = []
    values: list[NDArray[np.float32]] = []
    ends = [0]
    for text, own in zip(texts, spans, strict=True):
        for buckets, weights in features(text, own):
            kept, where = np.unique(buckets, return_inverse=True)
            columns.append(kept.astype(np.int32))
            values.append(np.bincount(where, weights=weights, minlength=len(kept)).astype(np.float32))
            ends.append(ends[-1] + len(kept))
    return sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(columns), np.array(ends)), shape=(len(ends) - 1, BUCKETS)
    )


def fit(pieces: Cut, labels: Mask, weights: Logits, keep: Mask) -> Tiers:
    """Fit both tiers.

    Args:
        pieces: The texts.
        labels: Which texts are positive.
        weights: What each text counts; both classes count the same together whatever these are.
        keep: Which texts may be seen.
    """
    seen = keep[pieces.owner]
    positive = labels[pieces.owner][seen]
    counts = balanced((weights / np.sqrt(pieces.counts))[pieces.owner][seen], positive)
    linear = SGDClassifier(loss="log_loss", alpha=ALPHA, max_iter=EPOCHS, tol=None, average=True, random_state=SEED)
    linear.fit(pieces.rows[seen], positive, sample_weight=counts)
    head = network(pieces.vectors[seen], positive, counts)
    return Tiers(linear.coef_[0], float(linear.intercept_[0]), head)


def balanced(counts: Logits, positive: Mask) -> Logits:
    """Return what texts count when both classes count the same together, one on average."""
    counts = np.where(positive, counts / counts[positive].sum(), counts / counts[~positive].sum())
    return counts * (len(counts) / counts.sum())


def network(
    vectors: NDArray[np.float32], targets: NDArray[Any], weights: Logits, hidden: int = HIDDEN
) -> dict[str, NDArray[Any]]:
    """Fit a small network and return its arrays; several columns of targets are learned side by side."""
    model = MLPClassifier(
        hidden_layer_sizes=(hidden,),
        alpha=HEAD_ALPHA,
        batch_size=HEAD_BATCH,
        max_iter=HEAD_EPOCHS,
        n_iter_no_change=HEAD_EPOCHS,
        random_state=SEED,
    )
    # Unit vectors have small entries; scaled up, the first steps are not lost.
    scale = np.float32(np.sqrt(vectors.shape[1]))
    with warnings.catch_warnings():
        # It is meant to stop there.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(vectors * scale, targets, sample_weight=weights)
    return {
        "hidden": (model.coefs_[0] * scale).astype(np.float16),
        "hidden_bias": model.intercepts_[0].astype(np.float32),
        "out": model.coefs_[1].astype(np.float32),
        "out_bias": model.intercepts_[1].astype(np.float32),
    }
