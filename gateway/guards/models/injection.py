"""Orders to a model, judged by what they look like: in prompts by windows, in what a tool brought by sentences.

A prompt is an attack as a whole, so its windows are judged. An order hidden in a document is one sentence that talks to
the model among many that do not, so there sentences are judged too, by a model that knows instructions from prose. On
code that model is of no use, and is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gateway.guards.models.heads import FOLDER, Head, Judge, read_arrays, read_judges
from gateway.guards.models.ngrams import NgramModel
from gateway.guards.models.scoring import Score
from gateway.guards.models.sentences import is_code, sentences
from gateway.guards.models.two_tiers import CheapTier, Embed, Pieces, Reading, ask_model, best, blended, doubtful
from gateway.guards.models.windows import windows
from gateway.plugin.guard import About

INJECTION, INSTRUCTION = "injection", "instruction"
CATEGORIES = (INJECTION, INSTRUCTION)
# Of a longer document so many sentences are judged, spread over it evenly.
_MOST_SENTENCES = 2_000


class InjectionScorer:
    """A :class:`gateway.guards.models.scoring.Scorer` for ``injection`` and ``instruction``.

    Args:
        embed: Turns texts into vectors.
        folder: Where the heads lie.
        reading: Shared with other scorers of the same texts.

    Raises:
        ModelFailed: A file is missing, or is not the one that was trained.
    """

    name = "injection"

    def __init__(self, embed: Embed, folder: Path = FOLDER, reading: Reading | None = None) -> None:
        tables = [read_arrays(f"{category}-ngrams.npz", folder) for category in CATEGORIES]
        weights = np.stack([table["weights"] for table in tables], axis=1)
        biases = np.concatenate([table["bias"] for table in tables])
        self._cheap = CheapTier(NgramModel(weights, biases), reading)
        self._heads = {category: Head(read_arrays(f"{category}-head.npz", folder)) for category in CATEGORIES}
        self._judges: dict[str, Judge] = read_judges("injection.json", folder)
        self._embed = embed

    async def score(self, texts: Sequence[tuple[str, About]], at: float) -> list[list[Score]]:
        """Score texts; see :meth:`gateway.guards.models.scoring.Scorer.score`."""
        cuts = [(windows(text), _sentences(text, about)) for text, about in texts]
        logits = await self._cheap.score(
            [(text, [*whole, *parts]) for (text, _), (whole, parts) in zip(texts, cuts, strict=True)]
        )
        pieces: dict[str, list[Pieces]] = {category: [] for category in CATEGORIES}
        for (text, _), (whole, parts), found in zip(texts, cuts, logits, strict=True):
            for column, (category, spans) in enumerate(((INJECTION, whole), (INSTRUCTION, parts))):
                ngram = found[: len(whole), 0] if column == 0 else found[len(whole) :, 1]
                pieces[category].append(Pieces(text, spans, ngram, doubtful(self._judges[category], ngram, at)))
        for category in CATEGORIES:
            await ask_model(pieces[category], self._embed, self._heads[category])
        return [
            [score for category in CATEGORIES for score in self._scores(category, pieces[category][number], at)]
            for number in range(len(texts))
        ]

    def threshold(self, target_fpr: float, category: str = "") -> float:
        """Return a threshold; see :meth:`gateway.guards.models.scoring.Scorer.threshold`."""
        judge = self._judges.get(category or INJECTION)
        if judge is None:
            raise ValueError(f"there is no category '{category}'")
        return judge.table.threshold(target_fpr)

    async def close(self) -> None:
        """Let go of the thread."""
        self._cheap.close()

    def _scores(self, category: str, pieces: Pieces, at: float) -> list[Score]:
        if not pieces.spans:
            return []
        return best(category, pieces, *blended(self._judges[category], pieces), at)


def _sentences(text: str, about: About) -> list[tuple[int, int]]:
    if about.role != "tool" and about.kind != "tool_result":
        return []
    if is_code(text):
        return []
    found = sentences(text)
    if len(found) > _MOST_SENTENCES:
        step = len(found) / _MOST_SENTENCES
        found = [found[int(number * step)] for number in range(_MOST_SENTENCES)]
    return found
