"""Puts the set for hidden instructions together: sentences that talk to a model, and sentences of documents."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.guards.models.sentences import sentences
from training import corpora, packages
from training.corpora import documents, lines
from training.phrases import sentences as phrases

SEED = 13
_LONGEST = 320
_OWN_DOCUMENTS, _OWN_ORDERS, _OWN_ATTACKS = 900, 1_500, 500
# Of a source that has more, so many sentences are taken.
_MOST = {
    "answers": 2_500,
    "requests": 3_000,
    "talk-pages": 1_500,
    "interface": 500,
    "attacks": 1_000,
    "stsb": 800,
    "wikigold": 1_000,
}


class Sentence(msgspec.Struct, frozen=True):
    """One sentence.

    Attributes:
        text: The sentence.
        label: Whether it tells a model to do something.
        source: Where it comes from.
        part: For hidden instructions the category; for e-mails the number.
    """

    text: str
    label: bool
    source: str
    part: str = ""


def split(text: str) -> list[str]:
    """Return the sentences of a text."""
    return [text[start:end] for start, end in sentences(text)]


def hidden(data: Path) -> list[tuple[str, str]]:
    """Return instructions that were hidden in documents, with their categories."""
    found = documents(data / "bipia/text_attack_train.json")
    return [(category, text) for category, texts in found.items() for text in texts]


def emails(data: Path) -> list[str]:
    """Return harmless e-mails."""
    return [row["context"] for row in lines(data / "bipia/email_train.jsonl")]


def tables(data: Path, count: int) -> list[str]:
    """Return tables made of names out of tweets and numbers; training has none of them."""
    rng = random.Random(SEED)
    names = [
        line.split("\t")[0]
        for line in (data / "wnut17/wnut17train.conll").read_text(encoding="utf-8").splitlines()
        if "\tB-" in line and line.split("\t")[0].isalpha()
    ]
    heads = ("Player", "Team", "Year", "Title", "Venue", "Score", "Director", "Notes", "Song", "Company")
    made: list[str] = []
    for _ in range(count):
        columns = rng.sample(heads, rng.randint(3, 6))
        rows = [columns, ["---"] * len(columns)]
        rows += [[_cell(names, rng) for _ in columns] for _ in range(rng.randint(4, 12))]
        made.append("\n".join("| " + " | ".join(row) + " |" for row in rows))
    return made


def _cell(names: list[str], rng: random.Random) -> str:
    if rng.random() < 0.6:
        return " ".join(rng.sample(names, rng.randint(1, 3)))
    return rng.choice(
        (str(rng.randint(1, 99)), str(rng.randint(1950, 2023)), f"{rng.randint(0, 9)}-{rng.randint(0, 9)}")
    )


def _positive(data: Path) -> Iterator[Sentence]:
    for category, text in hidden(data):
        for part in split(text):
            yield Sentence(part, True, "hidden", category)
    for item in corpora.read(data, corpora.BENIGN):
        if item.source == "halueval":
            found = split(item.text)
            if found:
                yield Sentence(found[0], True, "requests")
        elif item.source == "self-instruct":
            yield from (Sentence(part, True, "tasks") for part in split(item.text.split("\n")[0])[:1])
    for item in corpora.read(data, corpora.ATTACKS):
        if item.label and item.source in {"s-labs", "neuralchemy", "yanismiraoui"}:
            yield from (Sentence(part, True, "attacks") for part in split(item.text)[:1])


def _own() -> Iterator[Sentence]:
    for text in phrases("orders", _OWN_ORDERS, SEED):
        yield Sentence(text, True, "own-orders")
    for text in phrases("attacks", _OWN_ATTACKS, SEED, {"benign": ["By the way."]}):
        yield from (Sentence(part, True, "own-attacks") for part in split(text))


def _negative(data: Path, cache: Path) -> Iterator[Sentence]:
    for number, text in enumerate(emails(data)):
        yield from (Sentence(part, False, "emails", str(number)) for part in split(text))
    for row in lines(data / "halueval/general_data.json"):
        yield from (Sentence(part, False, "answers") for part in split(row["chatgpt_response"])[:6])
    for row in lines(data / "halueval/qa_multi-turn_data.json"):
        yield from (Sentence(part, False, "knowledge") for part in split(row["knowledge"]))
    for item in corpora.read(data, corpora.BENIGN):
        if item.source in {"wikigold", "talk-pages", "stsb"}:
            yield from (Sentence(part, False, item.source) for part in split(item.text))
    for item in packages.read(cache / "packages"):
        if item.source == "interface":
            yield from (Sentence(part, False, "interface") for part in split(item.text))
    for text in phrases("documents", _OWN_DOCUMENTS, SEED):
        yield from (
            Sentence(part, False, "own-documents") for part in split(text.replace("\\n", "\n").replace("\\t", "\t"))
        )


def read(data: Path, cache: Path) -> list[Sentence]:
    """Return every sentence, in a fixed order; one that is in both classes is in neither."""
    found = [item for item in (*_positive(data), *_own(), *_negative(data, cache)) if len(item.text) <= _LONGEST]
    labels: dict[str, set[bool]] = {}
    for item in found:
        labels.setdefault(item.text.lower(), set()).add(item.label)
    unique = {item.text.lower(): item for item in found if len(labels[item.text.lower()]) == 1}
    kept = sorted(unique.values(), key=lambda item: (item.source, item.part, item.text))
    random.Random(SEED).shuffle(kept)
    taken: dict[str, int] = {}
    chosen: list[Sentence] = []
    for item in kept:
        taken[item.source] = taken.get(item.source, 0) + 1
        if taken[item.source] <= _MOST.get(item.source, len(kept)):
            chosen.append(item)
    return chosen
