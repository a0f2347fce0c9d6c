"""Reads texts in which it is known who is named: corpora with labels, templates of another project, prompts."""

from __future__ import annotations

import random
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from training.people import ADDRESSES, Made, Maker, Span, World

SEED = 4
_TIGHT = {".", ",", "!", "?", ")", "'s", "n't", ";", ":"}
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_TEMPLATES = "presidio_evaluator/data_generator/raw_data/templates.txt"


def labelled(path: Path, ending: str, separator: str, together: int, most: int) -> list[Made]:
    """Return texts of some sentences each, with where people are named."""
    sentences = [
        [line.split(separator) for line in block.split("\n") if line.strip()]
        for block in path.read_text(encoding="utf-8").split("\n\n")
    ]
    sentences = [sentence for sentence in sentences if sentence]
    found: list[Made] = []
    for at in range(0, len(sentences), together):
        text, names = "", list[Span]()
        inside = False
        for word, *_, label in (row for sentence in sentences[at : at + together] for row in sentence):
            text += "" if not text or word in _TIGHT else " "
            start = len(text)
            text += word
            named = label.endswith(ending)
            if named and inside and not label.startswith("B-"):
                names[-1] = (names[-1][0], len(text))
            elif named:
                names.append((start, len(text)))
            inside = named
        found.append(Made(text, names, [], path.stem))
    random.Random(SEED).shuffle(found)
    return found[:most]


def sources(data: Path) -> dict[str, list[Made]]:
    """Return each corpus' texts."""
    messages = [
        text
        for name, most in (("wnut17train.conll", 1200), ("emerging.dev.conll", 500), ("emerging.test.annotated", 640))
        for text in labelled(data / "wnut17" / name, "person", "\t", 2, most)
    ]
    return {"wikigold": labelled(data / "wikigold/wikigold.conll.txt", "PER", " ", 3, 700), "wnut17": messages}


def presidio(archive: zipfile.ZipFile, world: World, locales: Sequence[str], count: int) -> list[Made]:
    """Return texts from the templates that Presidio is measured with; they are never trained on."""
    rng = random.Random(SEED)
    templates = archive.read(_TEMPLATES).decode().splitlines()
    filler = Maker(world, locales, rng)
    return [_filled(templates[number % len(templates)], filler, rng) for number in range(count)]


def _filled(template: str, filler: Maker, rng: random.Random) -> Made:
    text, people, places = "", list[Span](), list[tuple[int, int, str]]()
    at, template = 0, template.replace("\\n", "\n")
    for slot in _SLOT.finditer(template):
        text += template[at : slot.start()]
        at, start, name = slot.end(), len(text), slot[1]
        if name == "address":
            for part, mark in filler.address():
                if mark:
                    places.append((len(text), len(text) + len(part), mark))
                text += part
            continue
        if name.startswith(("first_name", "last_name", "name", "person")):
            filler.forget()
            first, last = filler.name("p1"), filler.name("pl")
            text += first if name.startswith("first") else last if name.startswith("last") else f"{first} {last}"
            people.append((start, len(text)))
        else:
            text += _other(name, filler, rng)
            if name in {"street_name", "building_number", "secondary_address", "postcode", "zipcode"}:
                places.append((start, len(text), "S"))
    return Made(text + template[at:], people, places, "presidio")


def _other(name: str, filler: Maker, rng: random.Random) -> str:
    drawn: Mapping[str, Callable[[], str]] = {
        "organization": lambda: filler.filled("company"),
        "street_name": lambda: filler.street(ADDRESSES[0]),
        "building_number": lambda: str(rng.randint(1, 900)),
        "secondary_address": lambda: f"Apt. {rng.randint(1, 400)}",
        "postcode": lambda: str(rng.randint(10_000, 99_999)),
        "zipcode": lambda: str(rng.randint(10_000, 99_999)),
        "email": lambda: f"info{rng.randint(1, 99)}@example.com",
        "url": lambda: "https://example.com/a",
        "phone_number": lambda: filler.filled("phone"),
        "state_abbr": lambda: "CA",
        "day_of_week": lambda: filler.filled("day"),
        "age": lambda: str(rng.randint(18, 80)),
    }
    if name in drawn:
        return drawn[name]()
    for start, section in (("nation", "nation"), ("prefix", "mr"), ("city", "city"), ("country", "country")):
        if name.startswith(start):
            return filler.filled(section)
    return filler.filled("job") if name == "job" else filler.filled("digits")


def prompts(data: Path) -> dict[str, list[str]]:
    """Return ordinary prompts, by source; they are never trained on."""
    clinc = msgspec.json.decode((data / "clinc_oos/data_full.json").read_bytes())
    asked = [msgspec.json.decode(line) for line in (data / "halueval/general_data.json").read_bytes().splitlines()]
    rng = random.Random(SEED)
    return {
        "clinc": rng.sample([row[0] for row in clinc["test"]], 1000),
        "halueval": rng.sample([row["user_query"] for row in asked], 1000),
    }
