"""Owns what a worker knows of questions that are alike: what embeds them, what was learnt, what is under way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from gateway.app.nearby import Nearby, Partition
from gateway.cache.agreement import Agreement
from gateway.cache.asides import Asides
from gateway.cache.embedding import Embedding
from gateway.cache.judging import Judging, differing
from gateway.cache.learning import HEAR_S, Learning
from gateway.cache.promise import Promise
from gateway.cache.semantic import Semantic
from gateway.cache.together import CrossEncoder, Together
from gateway.clients.clock import Clock
from gateway.core.cache_rules import CacheRules, SemanticRule
from gateway.core.cached import AnswerStore

log = logging.getLogger("weighbridge.cache")


class Models(CrossEncoder, Protocol):
    """What embeds questions and reads them together; all of it may raise ``ModelFailed``."""

    async def embed(self, texts: Sequence[str]) -> Any:
        """Return ``float32[n_texts, 384]``, at unit length."""
        ...


class Alike:
    """Makes and keeps it, over reloads.

    Args:
        home: The data home.
        index: The worker's number.
        clock: The present.
        models: The process's.
    """

    def __init__(self, home: Path, index: int, clock: Clock, models: Models) -> None:
        self._home = home
        self._index = index
        self._clock = clock
        self._embedding = Embedding(models.embed)
        self._together = Together(models, lambda: clock.monotonic_ns() / 1e9)
        self._promise: tuple[tuple[float, float], Promise] | None = None
        self._learning: Learning | None = None
        self._begun: Learning | None = None
        self._asides: Asides | None = None

    def neighbours(
        self, rules: CacheRules, store: AnswerStore, partition: Partition, count: Callable[[str], None]
    ) -> Nearby | None:
        """Give who looks for neighbours by a configuration; ``None`` where nobody is to."""
        rule = rules.semantic
        if rule is None or rule.mode == "off":
            # What was learnt is still known to who looks for them later.
            self._learning = self._asides = None
            return None
        promise = self._promise_of(rule)
        agreement = Agreement(self._embedding.cosine, differing, rule.compare_agree)
        judging = Judging(rule.answer_guards, self._together)
        semantic = Semantic(rule, store, self._embedding, judging, promise, agreement, self._now_s)
        self._learning = Learning(self._home, self._index, promise, store)
        semantic.learnt = self._learning.learnt
        self._asides = Asides(semantic, store)
        return Nearby(self._asides, partition, count, self._now_s)

    async def run(self) -> None:
        """Learn from others and tell them, until it is cancelled."""
        while True:
            if self._learning is not None:
                await self._turn(self._learning)
            await self._clock.sleep(HEAR_S)

    async def close(self) -> None:
        """Let what is under way end, and write down what was learnt."""
        if self._asides is not None:
            await self._asides.close()
        if self._begun is not None:
            await self._begun.close()

    def told(self) -> dict[str, int]:
        """Say what came of questions and comparisons."""
        if self._asides is None:
            return {}
        counts = self._asides.semantic.counts
        told = {f"semantic_{name}": counts[name] for name in ("none", "late", "unfit", "unembedded", "embedded")}
        told |= {f"compared_{name}": counts[name] for name in ("right", "wrong", "untold")}
        told["semantic_dropped"] = self._asides.dropped
        told["semantic_unread"] = self._together.failed + self._together.turned_away
        return {name: number for name, number in told.items() if number}

    async def _turn(self, learning: Learning) -> None:
        if learning is not self._begun:
            if self._begun is not None:
                await self._begun.close()
            await learning.load()
            self._begun = learning
            if not await self._embedding.vector("Is anybody there?"):
                log.warning(
                    "cache: questions that are alike are not found: %s Exact answers go on; see weighbridge models",
                    self._embedding.why,
                )
            elif not await self._reads():
                log.warning(
                    "cache: fewer questions that are alike are found: %s See weighbridge models", self._together.why
                )
        await learning.turn()

    async def _reads(self) -> bool:
        """Whether questions can be read together."""
        pieces = await self._together.pieces("Is anybody there?")
        return bool(pieces) and await self._together.odds(pieces, pieces) is not None

    def _promise_of(self, rule: SemanticRule) -> Promise:
        wanted = (rule.max_error, rule.threshold)
        if self._promise is None or self._promise[0] != wanted:
            made = Promise(rule.max_error, rule.threshold)
            if self._promise is not None:
                made.load(self._promise[1].dump())
            self._promise = wanted, made
        return self._promise[1]

    def _now_s(self) -> float:
        return self._clock.unix_us() / 1e6
