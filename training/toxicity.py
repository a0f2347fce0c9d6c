"""Trains ``toxicity``: leave-one-source-out for the report and the table, then everything for the heads that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gateway.guards.models.heads import Blend, Head
from gateway.guards.models.ngrams import grams
from gateway.guards.models.toxicity import CATEGORIES, Mix
from gateway.guards.models.windows import windows
from gateway.guards.models.word_weights import WordWeights
from gateway.guards.models.wordlists import WordList
from training import injection, outcome, sets, tiers, toxic, words
from training.embeddings import Vectors
from training.injection import ORDINARY, REPORTS
from training.outcome import Flagged, Numbers
from training.toxic import Toxic

BLEND = Blend(ngram=0.4, model=0.5, bias=0.0, low=-6.0, high=6.0)
PER_DOUBLING = 0.3
MIX = Mix(bonus=0.5, category=1.5, least=-1.0, most=2.0)
# The networks: how toxic a text is, and of which categories. The second knows attacks on groups better, since it is
# shown what looks like them, and so has a say in the first one's verdict.
_KINDS_HIDDEN, _ATTACK_SHARE = 64, 0.6
_ATTACK = CATEGORIES.index("identity_attack")
# Held out one by one, each with a part of the harmless prompts: those too are scored by heads that never saw them.
SOURCES = ("surge", "hatecheck", "wikipedia", "davidson", "toxigen", "implicit")


class Found(msgspec.Struct):
    """How well a toxic set is found, unseen in training.

    Attributes:
        name: The set.
        toxic: How many toxic texts.
        clean: How many texts of the same set that are not.
        auc_prompts: Area under the curve against harmless prompts.
        auc_within: Area within the set.
        at_1: Share found where 1 % of harmless prompts are flagged.
        at_half: The same at 0.5 %.
        clean_flagged: Share of the set's clean texts flagged there.
        cheap_1: As ``at_1``, the cheap tier and the list alone.
        attack_auc_within: Area within the set by the score of ``identity_attack`` alone.
    """

    name: str
    toxic: int
    clean: int
    auc_prompts: float
    auc_within: float
    at_1: float
    at_half: float
    clean_flagged: float
    cheap_1: float
    attack_auc_within: float


class Report(msgspec.Struct):
    """What was measured.

    Attributes:
        benign: How many harmless prompts.
        found: How well each source is found.
        by_kind: Share flagged of each functionality of HateCheck at 1 %.
        harmless: How many of each source of harmless prompts are flagged at 1 %.
        near_duplicates: How many texts were left out for being near a source that was held out.
        without_words: Sources that were measured without the words' weights.
    """

    benign: int
    found: list[Found]
    by_kind: dict[str, float]
    harmless: list[Flagged]
    near_duplicates: dict[str, int]
    without_words: tuple[str, ...]


class Scored(msgspec.Struct):
    """Logits of texts: of both tiers with the list, of the cheap one with the list, and of attacks on groups."""

    both: Numbers
    cheap: Numbers
    attack: Numbers


def weights_of(items: list[Toxic]) -> Numbers:
    """Return what each text counts: a large source counts more than a small one, but not as much as it is larger."""
    sizes: dict[tuple[str, bool], int] = {}
    for item in items:
        sizes[item.source, item.label] = sizes.get((item.source, item.label), 0) + 1
    return np.array([1.0 / np.sqrt(sizes[item.source, item.label]) for item in items])


def fit_kinds(pieces: tiers.Cut, items: list[Toxic], keep: tiers.Mask) -> dict[str, Any]:
    """Fit the network that says for each category whether a text is of it, as if it were as likely as not.

    Texts that are toxic in a way nobody noted teach it nothing; harmless ones do.
    """
    kinds = [(item.categories or ("",))[0] if item.label else "harmless" for item in items]
    known = np.array([bool(kind) for kind in kinds]) & keep
    sizes: dict[tuple[str, str], int] = {}
    for number in np.flatnonzero(known):
        key = (items[number].source, kinds[number])
        sizes[key] = sizes.get(key, 0) + 1
    counts = np.array([sizes.get((item.source, kind), 1) ** -0.5 for item, kind in zip(items, kinds, strict=True)])
    seen = known[pieces.owner]
    targets = np.array([[kind == category for category in CATEGORIES] for kind in kinds])[pieces.owner][seen]
    weights = tiers.balanced((counts / np.sqrt(pieces.counts))[pieces.owner][seen], targets.any(axis=1))
    made = tiers.network(pieces.vectors[seen], targets.astype(int), weights, _KINDS_HIDDEN)
    share = (targets * weights[:, None]).sum(axis=0) / weights.sum()
    made["out_bias"] = (made["out_bias"] - np.log(share / (1.0 - share))).astype(np.float32)
    return made


def joined(toxicity: dict[str, Any], kinds: dict[str, Any]) -> dict[str, Any]:
    """Put both networks side by side: the first output says how toxic, the others of which category."""
    hidden = len(toxicity["hidden_bias"])
    out = np.zeros((hidden + len(kinds["hidden_bias"]), 1 + len(CATEGORIES)), dtype=np.float32)
    out[:hidden, :1] = toxicity["out"]
    out[hidden:, 1:] = kinds["out"]
    out[hidden:, 0] = _ATTACK_SHARE * kinds["out"][:, _ATTACK]
    first = toxicity["out_bias"] + _ATTACK_SHARE * kinds["out_bias"][_ATTACK]
    return {
        "hidden": np.concatenate((toxicity["hidden"], kinds["hidden"]), axis=1),
        "hidden_bias": np.concatenate((toxicity["hidden_bias"], kinds["hidden_bias"])),
        "out": out,
        "out_bias": np.concatenate((first, kinds["out_bias"])).astype(np.float32),
    }


class Listed(msgspec.Struct):
    """What words say of pieces: how many listed ones of each category there are, and what all of them weigh."""

    hits: Numbers
    weights: Numbers


def fit(pieces: tiers.Cut, items: list[Toxic], keep: tiers.Mask) -> tiers.Tiers:
    """Fit both tiers, with both networks as one head."""
    labels = np.array([item.label for item in items])
    fitted = tiers.fit(pieces, labels, weights_of(items), keep)
    return msgspec.structs.replace(fitted, head=joined(fitted.head, fit_kinds(pieces, items, keep)))


def score(fitted: tiers.Tiers, pieces: tiers.Cut, said: Listed, *, weighed: bool) -> Scored:
    """Score texts as :class:`gateway.guards.models.toxicity.ToxicityScorer` does."""
    ngram, _ = fitted.logits(pieces)
    outputs = Head(fitted.head)(pieces.vectors)
    added = MIX.bonus * (said.hits.sum(axis=1) > 0) + (MIX.words(said.weights) if weighed else 0.0)
    lifted = ngram + added / BLEND.ngram
    both = BLEND(lifted, outputs[:, 0])
    shares = outputs[:, 1:] + MIX.category * np.minimum(said.hits, 1.0)
    attack = both + shares[:, _ATTACK] - shares.max(axis=1)
    return Scored(*(pieces.by_text(logits, PER_DOUBLING) for logits in (both, lifted, attack)))


def listed(items: list[Toxic], known: WordList, weights: WordWeights) -> Listed:
    """Return what words say of each piece."""
    rows: list[Numbers] = []
    weighed: list[Numbers] = []
    for item in items:
        spans = tiers.chosen(windows, item.text)
        weighed.append(weights.weigh(grams(item.text), spans))
        found = known.find(item.text)
        for first, last in spans:
            row = np.zeros(len(CATEGORIES))
            for (start, end), category in found:
                row[CATEGORIES.index(category)] += first <= start and end <= last
            rows.append(row)
    return Listed(np.array(rows), np.concatenate(weighed))


class Held(msgspec.Struct):
    """Scores of every text by heads that have not seen its source: with the words' weights, and without."""

    full: Scored
    bare: Scored
    duplicates: dict[str, int]

    def of(self, source: str) -> Scored:
        """Return the scores by which a source is measured: those of a model without anything that has seen it."""
        return self.bare if source in words.WEIGHED_ON else self.full


def hold_out(items: list[Toxic], pieces: tiers.Cut, said: Listed) -> Held:
    """Score every source, and a part of the harmless prompts with it, by heads that were trained without them."""
    sources = np.array([item.source for item in items])
    parts = sorted({item.part for item in items if item.source == "prompts"})
    fold_of = np.array([parts.index(i.part) % len(SOURCES) if i.source == "prompts" else -1 for i in items])
    shingles = [sets.shingles(item.text) for item in items]
    full, bare = (Scored(*(np.full(len(items), np.nan) for _ in range(3))) for _ in range(2))
    held = Held(full, bare, {})
    for number, source in enumerate(SOURCES):
        out = (sources == source) | (fold_of == number)
        near = sets.near(shingles, sources == source) & ~out
        fitted = fit(pieces, items, ~out & ~near)
        held.duplicates[source] = int(near.sum())
        for target, weighed in ((full, True), (bare, False)):
            scored = score(fitted, pieces, said, weighed=weighed)
            for name in ("both", "cheap", "attack"):
                getattr(target, name)[out] = getattr(scored, name)[out]
    return held


def _found(source: str, scored: Scored, labels: tiers.Mask, mine: tiers.Mask, benign: tiers.Mask) -> Found:
    bad, clean = mine & labels, mine & ~labels
    mark, half = (np.quantile(scored.both[benign], 1 - share) for share in (0.01, 0.005))
    return Found(
        name=source,
        toxic=int(bad.sum()),
        clean=int(clean.sum()),
        auc_prompts=outcome.auc(scored.both[bad], scored.both[benign]),
        auc_within=outcome.auc(scored.both[bad], scored.both[clean]),
        at_1=float((scored.both[bad] > mark).mean()),
        at_half=float((scored.both[bad] > half).mean()),
        clean_flagged=float((scored.both[clean] > mark).mean()),
        cheap_1=float((scored.cheap[bad] > np.quantile(scored.cheap[benign], 0.99)).mean()),
        attack_auc_within=outcome.auc(scored.attack[bad], scored.attack[clean]),
    )


def measure(items: list[Toxic], held: Held, benign: tiers.Mask) -> Report:
    """Put the report together."""
    sources = np.array([item.source for item in items])
    labels = np.array([item.label for item in items])
    found = [_found(source, held.of(source), labels, sources == source, benign) for source in SOURCES]
    both = held.full.both
    mark = np.quantile(both[benign], 0.99)
    parts = np.array([item.part for item in items])
    kinds = np.where(sources == "hatecheck", parts, "")
    by_kind = {kind: float((both[kinds == kind] > mark).mean()) for kind in sorted(set(kinds) - {""})}
    ordinary = [part for part in ORDINARY if part in parts[benign]]
    harmless = [outcome.flagged(part, both[benign & (parts == part)], both[benign]) for part in ordinary]
    return Report(
        benign=int(benign.sum()),
        found=found,
        by_kind={name: round(share, 3) for name, share in by_kind.items()},
        harmless=harmless,
        near_duplicates=held.duplicates,
        without_words=words.WEIGHED_ON,
    )


def train(data: Path, cache: Path, vectors: Vectors) -> Report:
    """Train, measure, and write heads, table and report."""
    items = toxic.read(data, cache)
    pieces = tiers.cut([item.text for item in items], windows, vectors)
    known, weights = words.listed(data), words.weighed(cache)
    said = listed(items, WordList(known), WordWeights(weights))
    held = hold_out(items, pieces, said)
    benign = np.array([item.source == "prompts" and item.part in ORDINARY for item in items])
    found = measure(items, held, benign)
    injection.write("toxicity", fit(pieces, items, np.ones(len(items), dtype=np.bool_)))
    about = f"{int(benign.sum())} harmless prompts, each scored without its source"
    judged = outcome.judge(BLEND, held.full.both[benign], PER_DOUBLING, about)
    outcome.write_json("toxicity.json", {"toxicity": judged})
    outcome.write_json("toxicity-mix.json", MIX)
    outcome.write_json("toxic-words.json", known)
    outcome.write_arrays("toxicity-words.npz", weights)
    outcome.report(REPORTS / "toxicity.json", found)
    return found
