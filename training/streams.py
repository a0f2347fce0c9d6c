"""Measures what judging by clause costs in false alarms: ``python -m training.streams --data ../shared/data``.

An answer that is streamed is judged clause by clause, so it has as many chances to be flagged as it has clauses. Asked
are the heads that ship, about answers that none of them has learned from, each as a whole and as on a stream.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.clients.onnx import OnnxBackend
from gateway.guards.clauses import clauses
from gateway.guards.models import catalog
from gateway.guards.models.loading import Loader
from gateway.guards.models.scoring import Scorer
from gateway.plugin.guard import About
from training import outcome
from training.corpora import lines
from training.injection import REPORTS

SEED = 5
ANSWERS = 500
SHARES = (0.05, 0.01)
_ABOUT = About("response", "assistant")
_BATCH = 16


class Row(msgspec.Struct):
    """One detector at one threshold.

    Attributes:
        name: The detector.
        target: The share that was asked for.
        whole: The share of answers that are flagged as a whole.
        streamed: The share of answers of which a clause is flagged.
        clauses: The share of clauses that are flagged.
    """

    name: str
    target: float
    whole: float
    streamed: float
    clauses: float


class Report(msgspec.Struct):
    """What was measured."""

    answers: int
    mean_clauses: float
    rows: list[Row]


def answers(data: Path) -> list[str]:
    """Return answers of a model to all sorts of questions."""
    found = [row["chatgpt_response"] for row in lines(data / "halueval/general_data.json")]
    return random.Random(SEED).sample(sorted(set(found)), ANSWERS)


async def highest(scorer: Scorer, texts: Sequence[str]) -> list[float]:
    """Return the highest score of each text."""
    scores: list[float] = []
    for at in range(0, len(texts), _BATCH):
        asked = [(text, _ABOUT) for text in texts[at : at + _BATCH]]
        scores += [max((each.value for each in found), default=0.0) for found in await scorer.score(asked, 0.0)]
    return scores


async def measure(data: Path, models: Path) -> Report:
    """Ask the heads that ship."""
    texts = answers(data)
    cut = [[clause.text for clause in clauses(text)] for text in texts]
    backend = OnnxBackend(lambda model: catalog.load(models.parent, f"{model}.onnx"), timeout_s=600)
    loader = Loader(backend, models.parent)
    rows: list[Row] = []
    # All categories of toxicity have one table.
    for name, category in (("injection", "injection"), ("toxicity", "insult")):
        scorer = loader.scorer(name)
        whole = await highest(scorer, texts)
        parts = await highest(scorer, [clause for own in cut for clause in own])
        spans = iter(parts)
        most = [max((next(spans) for _ in own), default=0.0) for own in cut]
        for share in SHARES:
            mark = scorer.threshold(share, category)
            rows.append(
                Row(
                    name=name,
                    target=share,
                    whole=_above(whole, mark),
                    streamed=_above(most, mark),
                    clauses=_above(parts, mark),
                )
            )
    await backend.close()
    return Report(answers=len(texts), mean_clauses=len(parts) / len(texts), rows=rows)


def _above(scores: Sequence[float], mark: float) -> float:
    return sum(score >= mark for score in scores) / len(scores)


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(prog="python -m training.streams", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of corpora")
    parser.add_argument("--models", type=Path, default=Path(".weighbridge/models"), help="what models build made")
    args = parser.parse_args()
    found = asyncio.run(measure(args.data, args.models))
    outcome.report(REPORTS / "streams.json", found)
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


if __name__ == "__main__":
    main()
