"""Trains ``injection``: leave-one-source-out for the report and the table, then everything for the heads that ship."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from gateway.guards.models.heads import Blend
from gateway.guards.models.windows import windows
from training import corpora, outcome, sets, tiers
from training.corpora import Item
from training.embeddings import Vectors
from training.outcome import Flagged, Numbers, Row

REPORTS = Path(__file__).parent / "reports"
# What the model says is clipped, so that the cheap tier knows when it cannot matter.
BLEND = Blend(ngram=0.5, model=0.5, bias=0.0, low=-5.0, high=5.0)
PER_DOUBLING = 0.2
# Held out together: attacks of one source, and harmless texts of others, so that every text of a report is scored by
# heads that have seen nothing of its source.
FOLDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("in-the-wild",), ("halueval",)),
    (("pyrit",), ("clinc", "self-instruct")),
    (("jbb-search", "jbb-manual"), ("tasks", "code")),
    (("dan",), ("talk-pages", "emails")),
    (("neuralchemy",), ("questions", "stsb")),
    (("s-labs",), ()),
    (("yanismiraoui",), ("interface",)),
    ((), ("prompts", "wikigold", "notinject")),
)
JAILBREAKS = ("in-the-wild", "pyrit", "jbb-search", "jbb-manual", "dan")
OTHERS = ("neuralchemy", "s-labs", "yanismiraoui")
# Ordinary traffic: what the table is made from. The other harmless sets are about attacks on purpose.
ORDINARY = (
    *("halueval", "clinc", "self-instruct", "tasks", "code", "talk-pages", "emails", "questions", "stsb", "interface"),
    *("prompts", "wikigold"),
)
HARD = ("notinject", "s-labs", "neuralchemy", "self-instruct", "prompts", "tasks", "code", "interface", "talk-pages")


class Report(msgspec.Struct):
    """What was measured."""

    benign: int
    jailbreaks: list[Row]
    others: list[Row]
    harmless: list[Flagged]
    mean_recall_at_1: float
    mean_recall_at_half: float
    near_duplicates: dict[str, int]


class Held(msgspec.Struct):
    """Logits of every text by heads that have not seen its source; not a number where there are none."""

    ngram: Numbers
    model: Numbers
    both: Numbers
    duplicates: dict[str, int]


def hold_out(items: list[Item], pieces: tiers.Cut) -> Held:
    """Score every source by heads that were trained without it and without what is near it."""
    sources = np.array([item.source for item in items])
    labels = np.array([item.label for item in items])
    shingles = [sets.shingles(item.text) for item in items]
    held = Held(*(np.full(len(items), np.nan) for _ in range(3)), {})
    for attacks, harmless in FOLDS:
        out = np.isin(sources, attacks + harmless)
        near = sets.near(shingles, out & labels) & ~out if attacks else np.zeros(len(items), dtype=np.bool_)
        fitted = tiers.fit(pieces, labels, weights_of(items), ~out & ~near)
        ngram, model = fitted.logits(pieces)
        held.duplicates[" ".join(attacks + harmless)] = int(near.sum())
        for target, logits in ((held.ngram, ngram), (held.model, model), (held.both, BLEND(ngram, model))):
            target[out] = pieces.by_text(logits, PER_DOUBLING)[out]
    return held


def weights_of(items: list[Item]) -> Numbers:
    """Return what each text counts; the small set of harmless texts with trigger words counts more."""
    return np.array([3.0 if item.source == "notinject" else 1.0 for item in items])


def measure(items: list[Item], held: Held) -> Report:
    """Put the report together."""
    sources = np.array([item.source for item in items])
    labels = np.array([item.label for item in items])
    ordinary = np.isin(sources, ORDINARY) & ~labels
    benign, cheap = held.both[ordinary], held.ngram[ordinary]

    def measured(source: str) -> Row:
        which = (sources == source) & labels
        return outcome.row(source, held.both[which], benign, (held.ngram[which], cheap))

    jailbreaks = [measured(source) for source in JAILBREAKS]
    harmless = [outcome.flagged(source, held.both[(sources == source) & ~labels], benign) for source in HARD]
    return Report(
        benign=len(benign),
        jailbreaks=jailbreaks,
        others=[measured(source) for source in OTHERS],
        harmless=harmless,
        mean_recall_at_1=float(np.mean([each.at_1 for each in jailbreaks])),
        mean_recall_at_half=float(np.mean([each.at_half for each in jailbreaks])),
        near_duplicates=held.duplicates,
    )


def train(data: Path, cache: Path, vectors: Vectors) -> Report:
    """Train, measure, and write heads, table and report."""
    items = [*sets.injection(data, cache), *corpora.read(data, corpora.MEASURED)]
    pieces = tiers.cut([item.text for item in items], windows, vectors)
    held = hold_out(items, pieces)
    found = measure(items, held)
    labels = np.array([item.label for item in items])
    fitted = tiers.fit(pieces, labels, weights_of(items), np.ones(len(items), dtype=np.bool_))
    ordinary = np.isin([item.source for item in items], ORDINARY) & ~labels
    about = f"{int(ordinary.sum())} harmless texts of {len(ORDINARY)} sources, each scored without its source"
    write("injection", fitted)
    judged = {"injection": outcome.judge(BLEND, held.both[ordinary], PER_DOUBLING, about)}
    outcome.report(cache / "injection-judge.json", judged)
    outcome.report(REPORTS / "injection.json", found)
    return found


def write(name: str, fitted: tiers.Tiers) -> None:
    """Write both tiers of a judgement among the package's models."""
    arrays = {"weights": fitted.weights.astype(np.float16), "bias": np.array([fitted.bias], np.float32)}
    outcome.write_arrays(f"{name}-ngrams.npz", arrays)
    outcome.write_arrays(f"{name}-head.npz", fitted.head)
