"""Trains the head of the model of names, and measures names.

    python -m training.names --data ../shared/data

Each source is held out once: the figures printed first are of heads that have not seen it. The head that ships is
trained on all of them. The tables are of ordinary prompts; some of those do name somebody, so they are upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.config.settings import ModelRunner
from gateway.guards.models import catalog, name_head
from gateway.guards.models.calibration import Table, table
from gateway.guards.models.loading import open_backend
from gateway.guards.models.names import ADDRESS, LABELS, PERSON, VOCABULARY, NamesScorer, softmax
from gateway.guards.models.vocabulary import Vocabulary, framed
from gateway.plugin.guard import About

SEED = 4
HIDDEN, EPOCHS, BATCH, RATE, KEPT, NAME_WEIGHT = 64, 8, 512, 2e-3, 0.7, 2.0
TOKENS = 300
# A text in four is learned without its case, as people write in chats.
CASELESS = 0.25
MARKS = (0.5, 0.6, 0.7, 0.8, 0.9)
Text = tuple[str, list[tuple[int, int]]]
_TIGHT = {".", ",", "!", "?", ")", "'s", "n't", ";", ":"}


def texts(path: Path, ending: str, separator: str, together: int, most: int) -> list[Text]:
    """Return texts of some sentences each, with where people are named."""
    sentences = [
        [line.split(separator) for line in block.split("\n") if line.strip()]
        for block in path.read_text(encoding="utf-8").split("\n\n")
    ]
    sentences = [sentence for sentence in sentences if sentence]
    found: list[Text] = []
    for at in range(0, len(sentences), together):
        text, names = "", list[tuple[int, int]]()
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
        found.append((text, names))
    random.Random(SEED).shuffle(found)
    return found[:most]


def sources(data: Path) -> dict[str, list[Text]]:
    """Return each source's texts."""
    messages = [
        text
        for name, most in (("wnut17train.conll", 1200), ("emerging.dev.conll", 500), ("emerging.test.annotated", 640))
        for text in texts(data / "wnut17" / name, "person", "\t", 2, most)
    ]
    return {"wikigold": texts(data / "wikigold/wikigold.conll.txt", "PER", " ", 3, 700), "wnut17": messages}


class Remembering:
    """A backend that runs each window once, however many thresholds are tried on it."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._known: dict[bytes, Any] = {}

    async def run(self, model: str, inputs: Any) -> Any:
        """Run a model, or remember."""
        key = inputs["ids"].tobytes()
        if key not in self._known:
            self._known[key] = await self._backend.run(model, inputs)
        return self._known[key]

    async def run_each(self, model: str, windows: Sequence[Any]) -> list[Any]:
        """Run a model over windows, or remember."""
        return [await self.run(model, window) for window in windows]

    async def close(self) -> None:
        """Close what is behind."""
        await self._backend.close()


class Learned:
    """What a source's texts give the head, and what it should say."""

    def __init__(self) -> None:
        self.given: list[NDArray[Any]] = []
        self.wanted: list[NDArray[Any]] = []

    def add(self, given: NDArray[Any], wanted: NDArray[Any]) -> None:
        """Add a text's pieces."""
        self.given.append(given)
        self.wanted.append(wanted)


async def learned(found: list[Text], backend: Any, vocabulary: Vocabulary, people: NDArray[Any]) -> Learned:
    """Run the model over texts."""
    result = Learned()
    for text, names in found:
        pieces = await vocabulary.cut(text)
        count = min(len(pieces.ids), TOKENS)
        if not count:
            continue
        outputs = await backend.run("names", framed(pieces, 0, count))
        if not outputs["logits"].shape[1]:
            continue
        sure = softmax(outputs["logits"][0, 1:-1])[:, people].sum(axis=1)
        case = name_head.case_features(text, pieces)[:count]
        wanted = [any(a < end and start < b for a, b in names) for start, end in pieces.offsets[:count]]
        result.add(name_head.features(outputs["hidden"][0, 1:-1], sure, case), np.array(wanted, dtype=np.float32))
    return result


def trained(parts: Sequence[Learned]) -> dict[str, NDArray[Any]]:
    """Train a head: one hidden layer, dropout, Adam."""
    rng = np.random.default_rng(SEED)
    rows = [row for part in parts for row in part.given]
    x = np.concatenate([_without_case(row) if rng.random() < CASELESS else row for row in rows])
    y = np.concatenate([row for part in parts for row in part.wanted])[:, None]
    mean, spread = x.mean(0), x.std(0) + 1e-3
    x = (x - mean) / spread
    weights = [
        rng.standard_normal((x.shape[1], HIDDEN)).astype(np.float32) / np.sqrt(x.shape[1]),
        np.zeros(HIDDEN, dtype=np.float32),
        rng.standard_normal((HIDDEN, 1)).astype(np.float32) / np.sqrt(HIDDEN),
        np.zeros(1, dtype=np.float32),
    ]
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    step, steps = 0, EPOCHS * -(-len(x) // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for at in range(0, len(x), BATCH):
            batch = order[at : at + BATCH]
            gradients = _gradients(weights, x[batch], y[batch], rng)
            step += 1
            rate = RATE * (1 - step / steps)
            for number, gradient in enumerate(gradients):
                first[number] = 0.9 * first[number] + 0.1 * gradient
                second[number] = 0.999 * second[number] + 0.001 * gradient**2
                change = first[number] / (1 - 0.9**step) / (np.sqrt(second[number] / (1 - 0.999**step)) + 1e-8)
                weights[number] = (weights[number] - rate * change).astype(np.float32)
    hidden = weights[0] / spread[:, None]
    return {"hidden": hidden, "hidden_bias": weights[1] - mean @ hidden, "out": weights[2], "out_bias": weights[3]}


def _without_case(row: NDArray[Any]) -> NDArray[Any]:
    bare = row.copy()
    bare[:, -name_head.CASE_FEATURES :] = 0
    return bare


def _gradients(
    weights: Sequence[NDArray[Any]], x: NDArray[Any], y: NDArray[Any], rng: np.random.Generator
) -> list[NDArray[Any]]:
    raw = x @ weights[0] + weights[1]
    kept = (rng.random(raw.shape) < KEPT) / KEPT
    inner = np.maximum(raw, 0) * kept
    said = 1 / (1 + np.exp(-np.clip(inner @ weights[2] + weights[3], -30, 30)))
    wrong = (said - y) * np.where(y > 0, NAME_WEIGHT, 1) / len(x)
    back = (wrong @ weights[2].T) * kept * (raw > 0)
    return [x.T @ back + 1e-4 * weights[0], back.sum(0), inner.T @ wrong + 1e-4 * weights[2], wrong.sum(0)]


async def measured(scorer: NamesScorer, found: list[Text], at: float) -> tuple[float, float]:
    """Return recall and precision of people, counted by names that overlap."""
    hits = wanted = right = said = 0
    for text, names in found:
        [scores] = await scorer.score([(text, About("request", "user"))], at)
        spans = [(score.start, score.end) for score in scores if score.category == PERSON]
        hits += sum(any(a < d and c < b for c, d in spans) for a, b in names)
        right += sum(any(a < d and c < b for a, b in names) for c, d in spans)
        wanted, said = wanted + len(names), said + len(spans)
    return hits / max(wanted, 1), right / max(said, 1)


async def tables(scorer: NamesScorer, prompts: Sequence[str]) -> dict[str, Table]:
    """Return how often ordinary prompts reach which score."""
    best: dict[str, list[float]] = {PERSON: [], ADDRESS: []}
    for prompt in prompts:
        [scores] = await scorer.score([(prompt, About("request", "user"))], 0.02)
        for category, values in best.items():
            values.append(max((score.value for score in scores if score.category == category), default=0.0))
    return {category: table(values, "ordinary prompts: CLINC150, HaluEval") for category, values in best.items()}


def prompts(data: Path) -> list[str]:
    """Return ordinary prompts."""
    clinc = msgspec.json.decode((data / "clinc_oos/data_full.json").read_bytes())
    asked = [msgspec.json.decode(line) for line in (data / "halueval/general_data.json").read_bytes().splitlines()]
    rng = random.Random(SEED)
    return rng.sample([row[0] for row in clinc["test"]], 1000) + rng.sample([row["user_query"] for row in asked], 1000)


async def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--home", type=Path, default=Path(".weighbridge"))
    args = parser.parse_args()
    read = partial(catalog.load, args.home)
    backend = Remembering(open_backend(args.home, ModelRunner(timeout_s=600)))
    vocabulary = Vocabulary(read, VOCABULARY)
    labels = msgspec.json.decode(read(LABELS), type=list[str])
    people = np.array([label.partition("-")[2] in {"GIVEN_NAME", "SURNAME"} for label in labels])
    found = sources(args.data)
    parts = {name: await learned(each, backend, vocabulary, people) for name, each in found.items()}
    for held in found:
        head = name_head.NameHead(trained([part for name, part in parts.items() if name != held]))
        for label, opinion in (("model alone", None), ("with a head that has not seen it", head)):
            scorer = NamesScorer(backend, vocabulary, labels, opinion)
            for at in MARKS:
                recall, precision = await measured(scorer, found[held][:300], at)
                print(f"{held:9} {label:33} at {at}: recall {recall:.2f}, precision {precision:.2f}", flush=True)
    arrays = trained(list(parts.values()))
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    scorer = NamesScorer(backend, vocabulary, labels, name_head.NameHead(arrays))
    made = await tables(scorer, prompts(args.data))
    for category, each in made.items():
        for at in MARKS:
            print(f"{category:9} ordinary prompts at or above {at}: {each.rate(at):.3f}")
    told = name_head.Description(hashlib.sha256(file.getvalue()).hexdigest(), made)
    (catalog.SHIPPED / name_head.FILE).write_bytes(file.getvalue())
    (catalog.SHIPPED / name_head.DESCRIPTION).write_bytes(msgspec.json.encode(told))
    await backend.close()


if __name__ == "__main__":
    asyncio.run(main())
