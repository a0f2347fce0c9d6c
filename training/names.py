"""Trains the head of the model of names, and measures names: ``python -m training.names --data ../shared/data``.

Each source is held out once, own texts by their patterns and by the languages of their names. The head that ships is
trained on all of them, but neither on prompts nor on Presidio's templates, which are only measured.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.guards.models import catalog, name_head, names
from gateway.guards.models.names import NamesScorer
from gateway.guards.models.vocabulary import Vocabulary, framed
from training import name_report, named, packages, people
from training.fitting import fit
from training.whole_model import Remembering, WholeModel

SEED = 4
OWN, OWN_HELD, TEMPLATES = 4000, 700, 418
# The score at which a policy that says nothing asks; the head's bias is moved so that what is best stands there.
AT = 0.8
MARKS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8)
RECALL, PRECISION = 0.85, 0.8
Arrays = dict[str, NDArray[Any]]


class Lessons(msgspec.Struct, frozen=True):
    """What the head is given, a row a word, and what it should say."""

    given: NDArray[np.float16]
    wanted: NDArray[np.float32]


class Teacher:
    """Runs the model over texts.

    Args:
        backend: What runs it.
        home: The data home.
    """

    def __init__(self, backend: Remembering, home: Path) -> None:
        read = partial(catalog.load, home)
        self.backend = backend
        self.vocabulary = Vocabulary(read, names.VOCABULARY)
        self.labels: list[str] = msgspec.json.decode(read(names.LABELS), type=list[str])
        self._groups = names.groups(self.labels)

    def scorer(self, arrays: Arrays | None) -> NamesScorer:
        """Return a scorer with a head, or with the model's own verdict."""
        head = None if arrays is None else name_head.NameHead(arrays)
        return NamesScorer(self.backend, self.vocabulary, self.labels, head)

    async def lessons(self, found: Sequence[people.Made], *, recased: bool, places: bool) -> Lessons:
        """Make lessons of texts.

        Args:
            found: The texts.
            recased: Whether to write some of them in small letters or in capitals.
            places: Whether it is known where addresses stand; else the model's own verdict on them is what is wanted.
        """
        rng = random.Random(SEED)
        given: list[NDArray[Any]] = []
        wanted: list[NDArray[Any]] = []
        for made in found:
            text = (people.recased(made, rng) if recased else made).text
            pieces = await self.vocabulary.cut(text)
            words = name_head.words_of(text, pieces)
            for first, end in names.windows_of(pieces):
                outputs = await self.backend.run(names.MODEL, framed(pieces, first, end))
                low, high = np.searchsorted(words.firsts, (first, end))
                firsts = words.firsts[low:high] - first
                sure = names.shares(outputs["logits"], self._groups)
                said = name_head.means(firsts, len(sure)) @ sure
                row = name_head.features(outputs["hidden"][0, 1:-1], sure, firsts, words.written[low:high])
                given.append(row.beside_each_other().astype(np.float16))
                wanted.append(_wanted(made, words.places[low:high], said, places=places))
        return Lessons(np.concatenate(given), np.concatenate(wanted))


def _wanted(
    made: people.Made, spans: Sequence[tuple[int, int]], said: NDArray[Any], *, places: bool
) -> NDArray[np.float32]:
    rows = said.astype(np.float32).copy()
    for row, (start, end) in zip(rows, spans, strict=True):
        row[name_head.PERSON] = any(first < end and start < last for first, last in made.people)
        if places:
            marks = {mark for first, last, mark in made.places if first < end and start < last}
            row[name_head.STREET], row[name_head.TOWN] = "S" in marks, "T" in marks
    return rows


def moved(arrays: Arrays, mark: float) -> Arrays:
    """Move the head's bias so that what was ``mark`` is :data:`AT` for people."""
    bias = arrays["out_bias"].copy()
    bias[name_head.PERSON] += np.log(AT / (1 - AT)) - np.log(mark / (1 - mark))
    # What ships has half as many bits: so it is measured.
    return {name: value.astype(np.float16).astype(np.float32) for name, value in (arrays | {"out_bias": bias}).items()}


async def best_mark(teacher: Teacher, tried: Sequence[tuple[Arrays, Sequence[people.Made]]]) -> float:
    """Return the mark at which heads are nearest to what is asked of them, on texts that they have not seen."""
    margins: dict[float, float] = {}
    for mark in MARKS:
        rows = [await name_report.measured(teacher.scorer(arrays), "", found, mark) for arrays, found in tried]
        margins[mark] = sum(min(row.recall - RECALL, row.precision - PRECISION) for row in rows)
        print(f"at {mark}: " + ", ".join(f"{row.recall:.3f}/{row.precision:.3f}" for row in rows), flush=True)
    return max(margins, key=lambda mark: margins[mark])


def write(arrays: Arrays, tables: Mapping[str, Any]) -> None:
    """Put the head among what ships."""
    file = io.BytesIO()
    rounded: Any = {name: value.astype(np.float16) for name, value in arrays.items()}
    np.savez_compressed(file, **rounded)
    told = name_head.Description(hashlib.sha256(file.getvalue()).hexdigest(), dict(tables))
    (catalog.SHIPPED / name_head.FILE).write_bytes(file.getvalue())
    (catalog.SHIPPED / name_head.DESCRIPTION).write_bytes(msgspec.json.encode(told))


async def train(data: Path, home: Path, cache: Path, backend: Remembering) -> None:
    """Train, measure, write."""
    teacher = Teacher(backend, home)
    archives = {pin.package: packages.fetch(pin, cache) for pin in packages.pins("names")}
    world = people.World.read(archives["faker"])
    corpora = named.sources(data)
    own, held_own = (people.made(world, count, SEED, held=held) for count, held in ((OWN, False), (OWN_HELD, True)))
    templates = named.presidio(archives["presidio-evaluator"], world, sorted(people.HELD_LOCALES), TEMPLATES)
    lessons = {name: await teacher.lessons(found, recased=True, places=False) for name, found in corpora.items()}
    lessons["own"] = await teacher.lessons(own, recased=False, places=True)
    heads: dict[str, Arrays] = {}
    for held in (*corpora, ""):
        parts = [part for name, part in lessons.items() if name != held]
        heads[held] = fit([part.given for part in parts], [part.wanted for part in parts], SEED)
    # Short messages are left out: what is best for them misses half of what others write.
    mark = await best_mark(teacher, [(heads["wikigold"], corpora["wikigold"]), (heads[""], held_own)])
    heads = {name: moved(arrays, mark) for name, arrays in heads.items()}
    unseen = [*((name, heads[name], found) for name, found in corpora.items())]
    unseen += [("presidio", heads[""], templates), ("own", heads[""], held_own)]
    everything = [*lessons.values(), await teacher.lessons(held_own, recased=False, places=True)]
    shipped = moved(fit([part.given for part in everything], [part.wanted for part in everything], SEED), mark)
    report, tables = await name_report.report(teacher.scorer, unseen, shipped, named.prompts(data), AT)
    write(shipped, tables)
    name_report.write(report)


async def main() -> None:
    """Train with the model that ``weighbridge models build`` made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--home", type=Path, default=Path(".weighbridge"))
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="packages")
    args = parser.parse_args()
    await train(args.data, args.home, args.cache, Remembering(WholeModel(args.cache)))


if __name__ == "__main__":
    asyncio.run(main())
