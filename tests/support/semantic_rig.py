"""The cache of alike questions over a list, a bag of words, and a judge that looks at numbers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from gateway.cache.agreement import Agreement
from gateway.cache.embedding import Embedding
from gateway.cache.semantic import Question, Semantic, Verdict
from gateway.core.cache_rules import SemanticRule
from gateway.core.cached import CachedAnswer
from gateway.core.chat import ChatRequest, Text, Turn
from gateway.core.errors import ModelFailed
from tests.support.kept_answers import ListedAnswers, kept

NOW_S = 2_000
RULE = SemanticRule(mode="enforce", ttl_s=5_000)
WORDS = ["how", "do", "i", "reset", "my", "password", "open", "a", "account", "5", "7", "please", "weather", "oslo"]


class Found(msgspec.Struct, frozen=True):
    chance: float
    failed: tuple[str, ...]
    most: float


class Judge:
    """Compares questions by their numbers; the chance is the cosine, unless what reads both together says otherwise."""

    def __init__(self) -> None:
        self.says: float | None = None
        self.read_together: list[tuple[bytes, float]] = []

    async def read(self, text: str, language: str, vector: bytes) -> bytes:
        return (language + ":" + " ".join(re.findall(r"\d+", text))).encode()

    def compare(self, new: bytes, old: bytes, cosine: float) -> Verdict | None:
        most = cosine if self.says is None else 1.0
        return Found(cosine, ("numbers",) if new != old else (), most) if old else None

    async def together(self, new: bytes, old: bytes, chance: float) -> float:
        self.read_together.append((old, round(chance, 2)))
        return chance if self.says is None else self.says


class Promise:
    """Allows what is likely enough, and writes down what it learns."""

    def __init__(self) -> None:
        self.least = 0.9
        self.noted: list[tuple[str, float, bool]] = []

    def careful(self, partition: str) -> bool:
        """Doubt those in which something went wrong."""
        return any(whose == partition and not right for whose, _, right in self.noted)

    def allows(self, partition: str, chance: float) -> bool:
        return chance >= self.least

    def note(self, partition: str, chance: float, *, right: bool) -> None:
        self.noted.append((partition, round(chance, 2), right))


class Rig:
    """The flow over a list, a bag of words and a judge that looks at numbers."""

    def __init__(self, rule: SemanticRule = RULE, store: ListedAnswers | None = None) -> None:
        self.store, self.promise = store or ListedAnswers(), Promise()
        self.model_open = asyncio.Event()
        self.model_open.set()
        self.broken = False
        self.embedding = Embedding(self._embed)
        agreement = Agreement(self.embedding.cosine, lambda _one, _other: (), 0.9)
        self.judge = Judge()
        self.semantic = Semantic(
            rule, self.store, self.embedding, self.judge, self.promise, agreement, lambda: float(NOW_S)
        )

    async def _embed(self, texts: Sequence[str]) -> Any:
        await self.model_open.wait()
        if self.broken:
            raise ModelFailed("It is broken.")
        made = np.array([[text.lower().split().count(word) for word in WORDS] for text in texts], dtype=np.float32)
        return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-6)

    def asked(self, text: str, *, system: str = "Be kind.", partition: str = "p", revision: str = "r") -> Question:
        turns = (Turn(role="system", parts=(Text(text=system),)), Turn(role="user", parts=(Text(text=text),)))
        question = self.semantic.question(
            ChatRequest(dialect="openai_chat", model="a", turns=turns), partition, revision
        )
        assert question is not None
        return question

    async def keep(self, text: str, answer: str = "yes", **other: Any) -> CachedAnswer:
        question = self.asked(text, **{name: other.pop(name) for name in ("system", "partition") if name in other})
        assert await self.semantic.describe(question)
        made = kept(
            answer,
            partition=question.partition,
            fingerprint=question.asked.fingerprint,
            question=question.facts,
            **other,
        )
        await self.store.put(made, question.vector)
        self.semantic.kept(question)
        return made
