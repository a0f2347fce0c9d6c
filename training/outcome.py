"""What reports say: areas, recalls at a threshold, and what is written where."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from gateway.guards.models.calibration import Table, wilson
from gateway.guards.models.heads import FOLDER, LISTING, Blend, Judge, Scale, odds_of

Numbers = NDArray[np.float64]

# Shares of harmless texts at which a scale has its knots.
_KNOTS = (0.9, 0.7, 0.5, 0.35, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.007, 0.005, 0.003, 0.002, 0.001)


class Row(msgspec.Struct):
    """One line of a report: how well a set is told from harmless texts.

    Attributes:
        name: The set, unseen in training.
        texts: How many texts.
        auc: Area under the curve against harmless texts.
        at_1: Share found where 1 % of harmless texts are flagged.
        at_half: The same at 0.5 %.
        cheap_1: The same as ``at_1`` with the cheap tier alone.
    """

    name: str
    texts: int
    auc: float
    at_1: float
    at_half: float
    cheap_1: float


class Flagged(msgspec.Struct):
    """How many texts of a harmless set are flagged at 1 %, with the bounds of the share."""

    name: str
    texts: int
    share: float
    low: float
    high: float


def auc(positive: Numbers, negative: Numbers) -> float:
    """Return the area under the curve."""
    truth = np.concatenate((np.ones(len(positive)), np.zeros(len(negative))))
    return float(roc_auc_score(truth, np.concatenate((positive, negative))))


def row(name: str, found: Numbers, benign: Numbers, cheap: tuple[Numbers, Numbers]) -> Row:
    """Measure a set; ``cheap`` holds the same two with the n-grams alone."""
    return Row(
        name,
        len(found),
        auc(found, benign),
        float((found > np.quantile(benign, 0.99)).mean()),
        float((found > np.quantile(benign, 0.995)).mean()),
        float((cheap[0] > np.quantile(cheap[1], 0.99)).mean()),
    )


def flagged(name: str, scores: Numbers, benign: Numbers) -> Flagged:
    """Measure a harmless set."""
    hits = int((scores > np.quantile(benign, 0.99)).sum())
    return Flagged(name, len(scores), hits / len(scores), *wilson(hits, len(scores)))


def scale(benign: Numbers) -> Scale:
    """Make a scale from the logits of harmless texts."""
    logits: list[float] = []
    odds: list[float] = []
    for share in _KNOTS:
        logit = float(np.quantile(benign, 1.0 - share))
        if not logits or logit > logits[-1] + 1e-6:
            logits.append(logit)
            odds.append(odds_of(share))
    return Scale(tuple(logits), tuple(odds))


def table(values: Numbers, about: str) -> Table:
    """Make a table that is fine where policies live and coarse elsewhere."""
    falling = np.sort(values)[::-1]
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    head = last[last < 400]
    rest = last[last >= 400]
    steps = np.concatenate((head, rest[:: max(1, len(rest) // 100)], last[-1:]))
    steps = np.unique(steps)
    return Table(
        texts=len(falling),
        scores=tuple(round(float(falling[step]), 7) for step in steps),
        flagged=tuple(int(step) + 1 for step in steps),
        about=about,
    )


def judge(blend: Blend, benign: Numbers, per_doubling: float, about: str) -> Judge:
    """Put a judgement's numbers together, from the logits of harmless texts."""
    made = scale(benign)
    return Judge(blend=blend, scale=made, table=table(made.values(benign), about), per_doubling=per_doubling)


def write_arrays(name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays among the package's models; the same arrays give the same bytes."""
    target = io.BytesIO()
    np.savez_compressed(target, **dict(arrays))
    write(name, target.getvalue())


def write(name: str, content: bytes) -> None:
    """Write a file among the package's models, and its digest into the listing."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / name).write_bytes(content)
    path = FOLDER / LISTING
    listing: dict[str, str] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    listing[name] = hashlib.sha256(content).hexdigest()
    path.write_bytes(msgspec.json.format(msgspec.json.encode(dict(sorted(listing.items()))), indent=2) + b"\n")


def write_json(name: str, value: Any) -> None:
    """Write a value among the package's models."""
    write(name, msgspec.json.encode(value) + b"\n")


def report(path: Path, value: Any) -> None:
    """Write a part of the report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
