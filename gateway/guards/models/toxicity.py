"""Insults, threats, attacks on groups, sexual content, self-harm and violence: lists and models together.

The tiers say how toxic a window is, its words and listed ones add to it, and the head's other outputs say of which
category it is. The likeliest category has the whole value and the others less, as much as they are less likely: so the
share of harmless texts that any category flags is the share that the table promises, and one category by itself flags
fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.guards.models.heads import FOLDER, Head, Judge, read_arrays, read_bytes, read_judges
from gateway.guards.models.ngrams import Grams, NgramModel
from gateway.guards.models.scoring import Score, Tier
from gateway.guards.models.two_tiers import CheapTier, Embed, Pieces, Reading, ask_model, doubtful
from gateway.guards.models.windows import Span, correction, windows
from gateway.guards.models.word_weights import WordWeights
from gateway.guards.models.wordlists import WordList
from gateway.plugin.guard import About

CATEGORIES = ("insult", "threat", "identity_attack", "sexual", "self_harm", "violence")
# Of one text at most so many windows get scores.
_MOST_WINDOWS = 8


class Mix(msgspec.Struct, frozen=True):
    """What words add.

    Attributes:
        bonus: To the logit of a window with listed words.
        category: To the logit of a listed word's category.
        least: What the words' weights take off the logit of a window at most, a negative number.
        most: What they add at most.
    """

    bonus: float
    category: float
    least: float
    most: float

    def words(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        """Return what weighed words add to logits."""
        return np.clip(weights, self.least, self.most)


class Worded:
    """The cheap tier: n-grams and weighed words.

    Args:
        ngrams: How toxic the n-grams say a window is; one output.
        words: How bad its words are.
        mix: How far the words count.
        share: What the blend makes of the cheap tier's logit.
    """

    __slots__ = ("_mix", "_ngrams", "_share", "_words")

    def __init__(self, ngrams: NgramModel, words: WordWeights, mix: Mix, share: float) -> None:
        self._ngrams, self._words, self._mix, self._share = ngrams, words, mix, share

    def weigh(self, found: Grams, spans: Sequence[Span]) -> NDArray[np.float64]:
        """Return ``float64[n_spans, 1]``, logits, for a text whose n-grams are known."""
        words = self._mix.words(self._words.weigh(found, spans))
        return self._ngrams.weigh(found, spans) + (words / self._share)[:, None]


class ToxicityScorer:
    """A :class:`gateway.guards.models.scoring.Scorer` for six categories.

    Args:
        embed: Turns texts into vectors.
        folder: Where the heads lie.
        reading: Shared with other scorers of the same texts.

    Raises:
        ModelFailed: A file is missing, or is not the one that was trained.
    """

    name = "toxicity"

    def __init__(self, embed: Embed, folder: Path = FOLDER, reading: Reading | None = None) -> None:
        table = read_arrays("toxicity-ngrams.npz", folder)
        ngrams = NgramModel(table["weights"][:, None], table["bias"])
        words = WordWeights(read_arrays("toxicity-words.npz", folder))
        self._head = Head(read_arrays("toxicity-head.npz", folder))
        self._judge: Judge = read_judges("toxicity.json", folder)["toxicity"]
        self._mix = msgspec.json.decode(read_bytes("toxicity-mix.json", folder), type=Mix)
        self._cheap = CheapTier(Worded(ngrams, words, self._mix, self._judge.blend.ngram), reading)
        self._words = WordList(msgspec.json.decode(read_bytes("toxic-words.json", folder), type=dict[str, list[str]]))
        self._embed = embed

    async def score(self, texts: Sequence[tuple[str, About]], at: float) -> list[list[Score]]:
        """Score texts; see :meth:`gateway.guards.models.scoring.Scorer.score`."""
        cuts = [(text, windows(text)) for text, _ in texts]
        logits = await self._cheap.score(cuts)
        pieces: list[Pieces] = []
        listed: list[NDArray[np.float64]] = []
        for (text, spans), found in zip(cuts, logits, strict=True):
            hits = self._listed(text, spans)
            lift = self._mix.bonus * (hits.sum(axis=1) > 0)
            ngram = found[:, 0] + lift / self._judge.blend.ngram
            pieces.append(Pieces(text, spans, ngram, doubtful(self._judge, ngram, at)))
            listed.append(hits)
        await ask_model(pieces, self._embed, self._head)
        return [self._scores(each, hits, at) for each, hits in zip(pieces, listed, strict=True)]

    def threshold(self, target_fpr: float, category: str = "") -> float:
        """Return a threshold; see :meth:`gateway.guards.models.scoring.Scorer.threshold`. It is the same for all."""
        if category and category not in CATEGORIES:
            raise ValueError(f"there is no category '{category}'")
        return self._judge.table.threshold(target_fpr)

    async def close(self) -> None:
        """Let go of the thread."""
        self._cheap.close()

    def _listed(self, text: str, spans: Sequence[Span]) -> NDArray[np.float64]:
        """Return how many listed words of each category each window has, ``float64[n_windows, 6]``."""
        hits = np.zeros((len(spans), len(CATEGORIES)))
        for (start, end), category in self._words.find(text):
            for number, (first, last) in enumerate(spans):
                if first <= start and end <= last:
                    hits[number, CATEGORIES.index(category)] += 1
        return hits

    def _scores(self, pieces: Pieces, hits: NDArray[np.float64], at: float) -> list[Score]:
        if not pieces.spans:
            return []
        logits, _ = self._judge.blend.bounds(pieces.ngram)
        kinds = np.zeros((len(pieces.spans), len(CATEGORIES)))
        asked = pieces.asked
        if pieces.model is not None and len(asked):
            logits[asked] = self._judge.blend(pieces.ngram[asked], pieces.model[:, 0])
            kinds[asked] = pieces.model[:, 1:]
        kinds += self._mix.category * np.minimum(hits, 1.0)
        kinds -= kinds.max(axis=1, keepdims=True)
        values = self._judge.scale.values(
            logits[:, None] + kinds - correction(len(pieces.spans), self._judge.per_doubling)
        )
        return self._best(pieces, values, hits, at)

    def _best(self, pieces: Pieces, values: NDArray[Any], hits: NDArray[np.float64], at: float) -> list[Score]:
        """Return for each category the highest score, and the others that reach the threshold."""
        scores: list[Score] = []
        orders: list[list[int]] = np.argsort(-values, axis=0, kind="stable")[:_MOST_WINDOWS].T.tolist()
        for column, (category, order) in enumerate(zip(CATEGORIES, orders, strict=True)):
            for rank, number in enumerate(order):
                value = float(values[number, column])
                if rank and value < at:
                    break
                span = pieces.spans[number]
                tier: Tier = "both" if number in pieces.asked else "list" if hits[number, column] else "ngram"
                scores.append(Score(category=category, value=value, start=span[0], end=span[1], tier=tier))
        return scores
