"""What a threshold costs: from scores of harmless texts to the share of them that a threshold would flag.

A table says how many of so many harmless texts reach each score. A rate is read off it with an upper confidence bound,
and a rate smaller than so many texts can show is refused: among 1,000 texts nobody has seen one in 10,000.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

# A rate is measurable when so many texts of the sample are expected to be flagged at it.
MIN_FLAGGED = 4
# A table keeps at most so many steps; the ones at the high end, where policies live, are kept whole.
MAX_STEPS = 512
# Of the normal distribution: 95 % of it lies within so many deviations.
_Z = 1.959964


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of harmless texts, highest first.

    Attributes:
        texts: How many texts were scored.
        scores: Scores that some of them reached, falling.
        flagged: How many texts reach each of these scores, rising.
        about: Which texts, for people.
    """

    texts: int
    scores: tuple[float, ...]
    flagged: tuple[int, ...]
    about: str = ""

    @property
    def smallest_rate(self) -> float:
        """The smallest share that so many texts can show."""
        return MIN_FLAGGED / self.texts if self.texts else 1.0

    def rate(self, threshold: float) -> float:
        """Return the share of harmless texts at or above a threshold."""
        return self._count(threshold) / self.texts

    def bounds(self, threshold: float) -> tuple[float, float]:
        """Return between which shares the true one lies, with 95 % confidence (Wilson)."""
        return wilson(self._count(threshold), self.texts)

    def threshold(self, target_fpr: float) -> float:
        """Return the lowest score that at most the target share of harmless texts reaches, between steps on a line.

        Raises:
            ValueError: The share is not between 0 and 1, or too small to be measured by this table.
        """
        if not 0 < target_fpr <= 1:
            raise ValueError("a false-positive rate lies above 0 and at most at 1")
        if target_fpr < self.smallest_rate:
            raise ValueError(
                f"a false-positive rate of {target_fpr:g} cannot be measured on {self.texts} texts; "
                f"the smallest that can is {self.smallest_rate:.2g}"
            )
        wanted = target_fpr * self.texts
        place = bisect_left(self.flagged, wanted)
        if place == len(self.flagged):
            return self.scores[-1]
        if place == 0:
            return min(1.0, math.nextafter(self.scores[0], 2.0)) if self.flagged[0] > wanted else self.scores[0]
        below, above = self.flagged[place - 1], self.flagged[place]
        part = (wanted - below) / (above - below)
        return self.scores[place - 1] + part * (self.scores[place] - self.scores[place - 1])

    def _count(self, threshold: float) -> int:
        # Scores fall: the ones at or above the threshold come first.
        place = bisect_left(self.scores, -threshold, key=lambda score: -score)
        while place < len(self.scores) and self.scores[place] >= threshold:
            place += 1
        return self.flagged[place - 1] if place else 0


def table(scores: Sequence[float], about: str = "") -> Table:
    """Make a table from the scores of harmless texts.

    Raises:
        ValueError: There are none.
    """
    if not scores:
        raise ValueError("no scores, no table")
    falling = sorted(scores, reverse=True)
    steps = [
        place for place in range(len(falling)) if place + 1 == len(falling) or falling[place + 1] != falling[place]
    ]
    if len(steps) > MAX_STEPS:
        head = steps[: MAX_STEPS // 2]
        rest = steps[MAX_STEPS // 2 :]
        stride = len(rest) / (MAX_STEPS // 2)
        steps = head + sorted({rest[min(int((n + 1) * stride) - 1, len(rest) - 1)] for n in range(MAX_STEPS // 2)})
    return Table(
        texts=len(falling),
        scores=tuple(falling[place] for place in steps),
        flagged=tuple(place + 1 for place in steps),
        about=about,
    )


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % confidence bounds of a share."""
    if of == 0:
        return 0.0, 1.0
    share, square = hits / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)
