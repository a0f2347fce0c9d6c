"""A model made by hand: words have scores, a table says what a threshold costs, and what it was asked is remembered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from gateway.core.errors import GatewayError
from gateway.guards.models.scoring import Score
from gateway.plugin.guard import About

# The share of benign texts at or above a score.
TABLE = {0.2: 0.02, 0.1: 0.05, 0.05: 0.2, 0.01: 0.6, 0.005: 0.8}
SMALLEST = min(TABLE)


class WordScorer:
    """Gives each word of a list its score, where it stands.

    Args:
        name: Of the model.
        words: Category and score by word.
        before: Awaited before each answer.
        error: Raised instead of an answer.
    """

    def __init__(
        self,
        name: str,
        words: dict[str, tuple[str, float]],
        before: Callable[[], Awaitable[object]] | None = None,
        error: GatewayError | None = None,
    ) -> None:
        self.name = name
        self.words = words
        self.before = before
        self.error = error
        self.asked: list[list[str]] = []
        self.at: list[float] = []
        self.closed = False

    async def score(self, texts: Sequence[tuple[str, About]], at: float) -> list[list[Score]]:
        self.asked.append([text for text, _ in texts])
        self.at.append(at)
        if self.before is not None:
            await self.before()
        if self.error is not None:
            raise self.error
        return [self._scores(text) for text, _ in texts]

    def _scores(self, text: str) -> list[Score]:
        found = [
            Score(category=category, value=value, start=m.start(), end=m.end(), tier="model")
            for word, (category, value) in self.words.items()
            for m in re.finditer(re.escape(word), text)
        ]
        return sorted(found, key=lambda score: (-score.value, score.start))

    def threshold(self, target_fpr: float, category: str = "") -> float:
        if target_fpr < SMALLEST:
            raise ValueError(f"{category or 'this'} cannot be measured below {SMALLEST:.1%}")
        return next(mark for share, mark in TABLE.items() if share <= target_fpr)

    async def close(self) -> None:
        self.closed = True


POISON = {
    "poison": ("injection", 0.9),
    "venom": ("injection", 0.65),
    "bait": ("instruction", 0.7),
    "hm": ("injection", 0.3),
}
HATE = {
    "vermin": ("identity_attack", 0.95),
    "idiot": ("insult", 0.7),
    "strangle": ("threat", 0.85),
    "kill you": ("threat", 0.95),
}
PEOPLE = {"Ada Lovelace": ("PERSON", 0.97), "12 Elm Street": ("ADDRESS", 0.92), "Paris": ("PERSON", 0.6)}
WORDS = {"injection": POISON, "toxicity": HATE, "names": PEOPLE}


class Room:
    """Gives models made by hand, each once; ``GuardEngine(scorers=…)`` takes it."""

    def __init__(
        self, before: Callable[[], Awaitable[object]] | None = None, error: GatewayError | None = None
    ) -> None:
        self.scorers: dict[str, WordScorer] = {}
        self._before = before
        self._error = error

    def __call__(self, name: str) -> WordScorer:
        return self.scorers.setdefault(name, WordScorer(name, WORDS[name], self._before, self._error))

    @property
    def asked(self) -> list[str]:
        """Every text that any model was asked about, in order."""
        return [text for scorer in self.scorers.values() for batch in scorer.asked for text in batch]


async def forever() -> None:
    """Wait for something that never comes."""
    await asyncio.Event().wait()
