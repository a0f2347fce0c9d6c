"""Whether two answers to what may be one question say the same: how the cache learns where it may serve.

Tool calls must be equal. Words are the same when they are equal; else they must be near each other for the embedder,
and in short answers, which a single word decides, numbers, names and negation must agree as well. What cannot be told
is no verdict. When in doubt it is a wrong one: a partition that is judged too hard serves less, and nothing worse.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from gateway.cache.said import Said

# An answer up to this length may hang on one word.
SHORT_CHARS = 400
# Of longer ones the beginning is compared: the rest mostly follows from it, and windows cost time.
COMPARED_CHARS = 4_000
_SPACES = re.compile(r"\s+")

Cosine = Callable[[str, str], Awaitable[float | None]]
# What differs between two texts that a fact in them decides, by name.
Differing = Callable[[str, str], tuple[str, ...]]


class Agreement:
    """Compares answers.

    Args:
        cosine: How near two texts are.
        differing: Which facts in two texts differ.
        least: The least cosine of two answers that say the same.
    """

    def __init__(self, cosine: Cosine, differing: Differing, least: float) -> None:
        self._cosine = cosine
        self._differing = differing
        self._least = least

    async def same(self, one: Said | None, other: Said | None) -> bool | None:
        """Whether two answers say the same; ``None`` where that cannot be told."""
        if one is None or other is None:
            return None
        if one.calls != other.calls:
            return False
        first, second = _plain(one.text), _plain(other.text)
        if first == second:
            return True
        if not first or not second:
            return False
        if max(len(first), len(second)) <= SHORT_CHARS and self._differing(first, second):
            return False
        cosine = await self._cosine(first[:COMPARED_CHARS], second[:COMPARED_CHARS])
        return None if cosine is None else cosine >= self._least


def _plain(text: str) -> str:
    """A text without what only tells spellings apart."""
    return _SPACES.sub(" ", text).strip().casefold().rstrip(".!")
