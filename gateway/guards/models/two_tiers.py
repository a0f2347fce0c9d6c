"""Runs the cheap tier on everything and the model where it can still change the verdict.

Texts are small or many: little ones are judged at once, larger amounts on a thread of their own, since a loop that
waits for numpy waits for nothing else. What the model has to read is collected over all texts of a request and
embedded in one call.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.guards.models.heads import Judge
from gateway.guards.models.ngrams import Grams, grams
from gateway.guards.models.scoring import Score, Tier
from gateway.guards.models.windows import correction

Span = tuple[int, int]
Embed = Callable[[Sequence[str]], Awaitable[NDArray[Any]]]
Cut = Callable[[str], list[Span]]
Result = TypeVar("Result")

# Texts that are longer together leave the loop; so many characters cost about a millisecond.
INLINE_CHARS = 1_500
# Of so many texts, none of them longer, the n-grams are kept: about 60 bytes a character.
KEPT_TEXTS, KEPT_CHARS = 8, 16_384
# Of one text the model reads at most so many pieces, the most suspicious ones.
MOST_EMBEDDED = 24
# Of one text and category at most so many scores are given back.
MOST_SCORES = 16


class Pieces(msgspec.Struct):
    """What a text is cut into for one judgement, and what the tiers say of each piece.

    Attributes:
        text: The text.
        spans: Its pieces.
        ngram: The cheap tier's logits.
        asked: Which pieces the model reads.
        model: Its logits for those; all outputs of the head.
    """

    text: str
    spans: list[Span]
    ngram: NDArray[np.float64]
    asked: NDArray[np.intp]
    model: NDArray[np.float64] | None = None


class Reading:
    """Hashes texts, on the loop or on a thread, once for all who judge them.

    Scorers that share one are asked about the same texts at the same time, and what a text's n-grams are depends on the
    text alone: those of the last few are kept.
    """

    __slots__ = ("_kept", "_lock", "_pool")

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        # The loop and the thread both look here.
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Grams] = OrderedDict()

    def grams(self, text: str) -> Grams:
        """Return the n-grams of a text."""
        if len(text) > KEPT_CHARS:
            return grams(text)
        with self._lock:
            found = self._kept.get(text)
        if found is None:
            found = grams(text)
            with self._lock:
                self._kept[text] = found
                if len(self._kept) > KEPT_TEXTS:
                    self._kept.popitem(last=False)
        return found

    async def aside(self, work: Callable[[], Result]) -> Result:
        """Do a piece of work on the thread."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="ngrams")
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let go of the thread."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


class CheapModel(Protocol):
    """What a cheap tier is made of: n-grams, alone or with more."""

    def weigh(self, found: Grams, spans: Sequence[Span]) -> NDArray[np.float64]:
        """Return ``float64[n_spans, outputs]``, logits, for a text whose n-grams are known."""
        ...


class CheapTier:
    """The cheap models of a scorer.

    Args:
        model: The models, one output each.
        reading: Shared with other scorers of the same texts; its own without.
    """

    def __init__(self, model: CheapModel, reading: Reading | None = None) -> None:
        self._model = model
        self._reading = reading or Reading()

    async def score(self, jobs: Sequence[tuple[str, list[Span]]]) -> list[NDArray[np.float64]]:
        """Return logits, ``float64[n_spans, outputs]``, for the pieces of each text."""
        if sum(len(text) for text, _ in jobs) <= INLINE_CHARS:
            return [self._scored(text, spans) for text, spans in jobs]
        # One after the other: a caller who is gone is noticed between two texts.
        return [await self._reading.aside(partial(self._scored, text, spans)) for text, spans in jobs]

    def close(self) -> None:
        """Let go of the thread."""
        self._reading.close()

    def _scored(self, text: str, spans: list[Span]) -> NDArray[np.float64]:
        return self._model.weigh(self._reading.grams(text), spans)


def piece(text: str, span: Span) -> str:
    """Return what lies in a span."""
    return text[span[0] : span[1]]


def doubtful(judge: Judge, ngram: NDArray[np.float64], at: float) -> NDArray[np.intp]:
    """Return which pieces the model can still lift to the threshold, the most suspicious ones when they are many."""
    if not len(ngram):
        return np.zeros(0, dtype=np.intp)
    _, high = judge.blend.bounds(ngram)
    reach = judge.scale.values(high - correction(len(ngram), judge.per_doubling))
    open_pieces = np.flatnonzero(reach >= at)
    if len(open_pieces) > MOST_EMBEDDED:
        order = np.argsort(-ngram[open_pieces], kind="stable")
        open_pieces = np.sort(open_pieces[order[:MOST_EMBEDDED]])
    return open_pieces


async def ask_model(pieces: Sequence[Pieces], embed: Embed, head: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Let the model read all doubtful pieces of all texts at once."""
    wanted = [piece(each.text, each.spans[int(number)]) for each in pieces for number in each.asked]
    if not wanted:
        return
    logits = head(await embed(wanted))
    first = 0
    for each in pieces:
        each.model = logits[first : first + len(each.asked)]
        first += len(each.asked)


def blended(judge: Judge, pieces: Pieces, output: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the value of each piece, and which the model had a say in."""
    low, _ = judge.blend.bounds(pieces.ngram)
    seen = np.zeros(len(pieces.spans), dtype=np.bool_)
    if pieces.model is not None and len(pieces.asked):
        low[pieces.asked] = judge.blend(pieces.ngram[pieces.asked], pieces.model[:, output])
        seen[pieces.asked] = True
    return judge.scale.values(low - correction(len(pieces.spans), judge.per_doubling)), seen


def best(category: str, pieces: Pieces, values: NDArray[np.float64], seen: NDArray[np.bool_], at: float) -> list[Score]:
    """Return the highest score, and the others that reach the threshold, falling."""
    order = np.argsort(-values, kind="stable")[:MOST_SCORES]
    scores: list[Score] = []
    for rank, number in enumerate(map(int, order)):
        if rank and values[number] < at:
            break
        start, end = pieces.spans[number]
        tier: Tier = "both" if seen[number] else "ngram"
        scores.append(Score(category=category, value=float(values[number]), start=start, end=end, tier=tier))
    return scores
