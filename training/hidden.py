"""Trains ``instruction``: which sentence of a document talks to the model.

Measured on documents: harmless ones, and the same with an instruction put at the beginning, somewhere or at the end.
Both the kinds of instructions and the e-mails of a part are held out while that part is measured. Measured apart: the
same instructions where they run on in the middle of somebody's sentence.
"""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np

from gateway.guards.models.heads import Blend, Head
from gateway.guards.models.sentences import is_code, sentences
from training import instructions, outcome, packages, tiers
from training.corpora import BENIGN, lines, read
from training.embeddings import Vectors
from training.injection import REPORTS, write
from training.instructions import Sentence
from training.outcome import Numbers

BLEND = Blend(ngram=0.5, model=0.5, bias=0.0, low=-5.0, high=5.0)
PER_DOUBLING = 0.25
PARTS = 3
_TABLES, _NOTES = 90, 400
RUN_ON = "email, mid-sentence"
_RUN_ON_WORDS = 9
# Of a document the model reads so many sentences.
_READ = 6
# Sets that count more than their size.
_COUNTS = {"hidden": 8.0, "emails": 4.0, "own-documents": 2.0, "own-attacks": 0.5, "attacks": 0.5}


class Found(msgspec.Struct):
    """How well documents with an instruction are told from those without."""

    name: str
    clean: int
    injected: int
    auc: float
    at_5: float
    at_1: float
    cheap_5: float
    missed: dict[str, float]


class Report(msgspec.Struct):
    """What was measured."""

    found: list[Found]
    benign: int
    code_skipped: float


class Case(msgspec.Struct):
    """One document, as it is or with an instruction."""

    text: str
    kind: str
    category: str = ""


def whole(text: str) -> list[tuple[int, int]]:
    """Return a sentence as one piece."""
    return [(0, len(text))]


def inject(text: str, order: str, place: int, rng: random.Random) -> str:
    """Put an instruction on a line of its own: before the document (0), between two sentences (1) or behind it (2)."""
    if place == 0:
        return f"{order}\n{text}"
    if place == 2:
        return f"{text}\n{order}"
    at = rng.choice([end for _, end in sentences(text)] or [len(text)])
    at = text.find("\n", at) + 1 if text.startswith("|") and "\n" in text[at:] else at
    return f"{text[:at].rstrip()}\n{order}\n{text[at:].lstrip()}"


def run_on(text: str, order: str, rng: random.Random) -> str:
    """Put an instruction into the middle of a sentence of the document, with nothing between its words and theirs."""
    long = [span for span in sentences(text) if text[slice(*span)].count(" ") >= _RUN_ON_WORDS]
    start, end = rng.choice(long or sentences(text) or whole(text))
    gaps = [at for at in range(start, end) if text[at] == " "]
    at = rng.choice(gaps[len(gaps) // 3 : -2] or gaps or [end])
    return f"{text[:at]} and {order[0].lower()}{order[1:].rstrip('.?!')} {text[at:].lstrip()}"


def cases(data: Path, part: int) -> list[Case]:
    """Return the documents of a part, clean and injected."""
    rng = random.Random(part)
    orders = [(kind, text) for kind, text in instructions.hidden(data) if kind in held_kinds(data, part)]
    made: list[Case] = []
    mails = [text for number, text in enumerate(instructions.emails(data)) if number % PARTS == part]
    tables = instructions.tables(data, _TABLES)[part::PARTS]
    for kind, texts in (("email", mails), ("table", tables)):
        made += [Case(text, kind) for text in texts]
        for text in texts:
            for place in range(3):
                category, order = rng.choice(orders)
                made.append(Case(inject(text, order, place, rng), kind, category))
    apart = random.Random(part)
    for text in mails * 3:
        category, order = apart.choice(orders)
        made.append(Case(run_on(text, order, apart), RUN_ON, category))
    return made


def held_kinds(data: Path, part: int) -> set[str]:
    """Return which kinds of instructions a part holds out."""
    kinds = sorted({kind for kind, _ in instructions.hidden(data)})
    return {kind for number, kind in enumerate(kinds) if number % PARTS == part}


def learned_from(data: Path, items: list[Sentence], part: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which sentences may be seen while a part is measured."""
    kinds = held_kinds(data, part)
    return np.array(
        [
            not (item.source == "hidden" and item.part in kinds)
            and not (item.source == "emails" and int(item.part) % PARTS == part)
            for item in items
        ]
    )


def scored(fitted: tiers.Tiers, texts: list[str], vectors: Vectors) -> tuple[Numbers, Numbers]:
    """Return a logit of both tiers and of the cheap one for each document.

    As when serving, the model reads only the most suspicious sentences of a document.
    """
    spans = [sentences(text) or whole(text) for text in texts]
    counts = np.array([len(each) for each in spans])
    first = np.cumsum(counts) - counts
    ngram = tiers.matrix(texts, spans) @ fitted.weights + fitted.bias
    rows = [
        start + np.argsort(-ngram[start : start + count])[:_READ] for start, count in zip(first, counts, strict=True)
    ]
    asked = np.concatenate(rows)
    pieces = [text[slice(*span)] for text, own in zip(texts, spans, strict=True) for span in own]
    model = np.full(len(ngram), BLEND.low)
    model[asked] = Head(fitted.head)(vectors.of([pieces[number] for number in asked]))[:, 0]
    lowered = PER_DOUBLING * np.log2(counts)
    both, cheap = (np.maximum.reduceat(logits, first) - lowered for logits in (BLEND(ngram, model), ngram))
    return both, cheap


def harmless(data: Path) -> list[str]:
    """Return documents for the table: what tools bring, as near as corpora come to it."""
    items = [item.text for item in read(data, BENIGN) if item.source in {"wikigold", "emails"}]
    talk = [item.text for item in read(data, BENIGN) if item.source == "talk-pages"][:_NOTES]
    knowledge = [row["knowledge"] for row in lines(data / "halueval/qa_multi-turn_data.json")]
    return [*items, *talk, *knowledge[:_NOTES], *instructions.tables(data, _TABLES)]


def measure(kind: str, all_cases: list[Case], both: Numbers, cheap: Numbers) -> Found:
    """Measure one kind of document."""
    mine = np.array([case.kind == kind for case in all_cases])
    bad = np.array([bool(case.category) for case in all_cases])
    good = ~bad & np.array([case.kind == ("email" if kind == RUN_ON else kind) for case in all_cases])
    clean, hit = both[good], both[mine & bad]
    mark = np.quantile(clean, 0.95)
    missed: dict[str, list[bool]] = {}
    for case, value in zip(all_cases, both, strict=True):
        if case.kind == kind and case.category:
            missed.setdefault(case.category, []).append(bool(value <= mark))
    return Found(
        name=kind,
        clean=len(clean),
        injected=len(hit),
        auc=outcome.auc(hit, clean),
        at_5=float((hit > mark).mean()),
        at_1=float((hit > np.quantile(clean, 0.99)).mean()),
        cheap_5=float((cheap[mine & bad] > np.quantile(cheap[good], 0.95)).mean()),
        missed={name: round(float(np.mean(those)), 3) for name, those in sorted(missed.items()) if any(those)},
    )


def code_skipped(cache: Path) -> float:
    """Return the share of code that is known as such."""
    texts = [item.text.split("\n", 1)[-1] for item in packages.read(cache / "packages") if item.source == "code"]
    return float(np.mean([is_code(text) for text in texts]))


def train(data: Path, cache: Path, vectors: Vectors) -> Report:
    """Train, measure, and write heads, table and report."""
    items = instructions.read(data, cache)
    pieces = tiers.cut([item.text for item in items], whole, vectors)
    labels = np.array([item.label for item in items])
    weights = np.array([_COUNTS.get(item.source, 1.0) for item in items])
    all_cases: list[Case] = []
    both: list[Numbers] = []
    cheap: list[Numbers] = []
    for part in range(PARTS):
        fitted = tiers.fit(pieces, labels, weights, learned_from(data, items, part))
        mine = cases(data, part)
        scores = scored(fitted, [case.text for case in mine], vectors)
        all_cases += mine
        both.append(scores[0])
        cheap.append(scores[1])
    together, alone = np.concatenate(both), np.concatenate(cheap)
    final = tiers.fit(pieces, labels, weights, np.ones(len(items), dtype=np.bool_))
    write("instruction", final)
    benign = scored(_without_documents(pieces, items, labels, weights), harmless(data), vectors)[0]
    found = Report(
        found=[measure(kind, all_cases, together, alone) for kind in ("email", RUN_ON, "table")],
        benign=len(benign),
        code_skipped=code_skipped(cache),
    )
    about = f"{len(benign)} harmless documents, scored by heads that have not seen their sources"
    judged = {"instruction": outcome.judge(BLEND, benign, PER_DOUBLING, about)}
    outcome.report(cache / "instruction-judge.json", judged)
    outcome.report(REPORTS / "instruction.json", found)
    return found


def _without_documents(pieces: tiers.Cut, items: list[Sentence], labels: tiers.Mask, weights: Numbers) -> tiers.Tiers:
    """Fit without any sentence of the documents that the table is made from."""
    seen = np.array([item.source not in {"wikigold", "emails", "talk-pages", "knowledge"} for item in items])
    return tiers.fit(pieces, labels, weights, seen)
