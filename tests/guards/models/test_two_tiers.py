from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from gateway.guards.models.ngrams import BUCKETS, NgramModel
from gateway.guards.models.two_tiers import (
    INLINE_CHARS,
    KEPT_CHARS,
    KEPT_TEXTS,
    MOST_EMBEDDED,
    CheapTier,
    Pieces,
    Reading,
    best,
    blended,
    doubtful,
)
from tests.guards.models.made_heads import judge


class Watched(NgramModel):
    """Remembers on which thread it worked."""

    __slots__ = ("threads",)

    def __init__(self) -> None:
        super().__init__(np.zeros((BUCKETS, 1), dtype=np.float16), np.zeros(1))
        self.threads: list[str] = []

    def weigh(self, found, spans):
        self.threads.append(threading.current_thread().name)
        return super().weigh(found, spans)


def test_long_texts_leave_the_loop_and_short_ones_do_not() -> None:
    model = Watched()
    tier = CheapTier(model)
    short, long = "a" * INLINE_CHARS, "a" * (INLINE_CHARS + 1)
    asyncio.run(tier.score([(short, [(0, 5)])]))
    asyncio.run(tier.score([(long, [(0, 5)]), ("b", [(0, 1)])]))
    tier.close()
    assert model.threads[0] == threading.current_thread().name
    assert all(name.startswith("ngrams") for name in model.threads[1:])


def test_of_many_doubtful_pieces_the_most_suspicious_are_read() -> None:
    ngram = np.linspace(-1.0, 1.0, 100)
    chosen = doubtful(judge(), ngram, 0.0)
    assert chosen.tolist() == list(range(100 - MOST_EMBEDDED, 100))


def test_a_piece_that_the_model_did_not_see_has_the_least_it_could_have() -> None:
    pieces = Pieces("text", [(0, 2), (2, 4)], np.array([1.0, 1.0]), np.array([1]), np.array([[3.0]]))
    values, seen = blended(judge(), pieces)
    assert seen.tolist() == [False, True]
    assert values[0] < values[1]
    # 0.5 · 1 + 0.5 · 3 on a scale that changes nothing.
    assert values[1] == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_the_highest_score_is_told_and_those_at_the_threshold() -> None:
    pieces = Pieces("text", [(0, 1), (1, 2), (2, 3)], np.zeros(3), np.array([], dtype=np.intp))
    values, seen = np.array([0.2, 0.9, 0.8]), np.array([False, True, False])
    assert [(each.start, each.tier) for each in best("x", pieces, values, seen, 0.5)] == [(1, "both"), (2, "ngram")]
    assert [each.start for each in best("x", pieces, values, seen, 0.95)] == [1]


def test_a_text_that_several_judge_is_hashed_once() -> None:
    reading = Reading()
    first, second = CheapTier(Watched(), reading), CheapTier(Watched(), reading)
    text = "the same for both"
    asyncio.run(first.score([(text, [(0, 3)])]))
    found = reading.grams(text)
    asyncio.run(second.score([(text, [(4, 8)])]))
    assert reading.grams(text) is found


def test_only_the_last_few_texts_are_kept_and_none_that_is_long() -> None:
    reading = Reading()
    first, long = reading.grams("first"), reading.grams("a" * (KEPT_CHARS + 1))
    assert reading.grams("a" * (KEPT_CHARS + 1)) is not long
    for number in range(KEPT_TEXTS):
        assert reading.grams("first" if not number else f"{number}") is not None
    assert reading.grams(f"{KEPT_TEXTS}") is not first
    assert reading.grams("first") is not first


def test_without_pieces_nothing_is_doubtful() -> None:
    assert doubtful(judge(), np.zeros(0), 0.0).tolist() == []
