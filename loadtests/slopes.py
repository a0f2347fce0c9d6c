"""Whether something grows: the slope of what was measured again and again, and how sure that is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

HOUR_S = 3600.0
BLOCKS = 20
# Student's t for 95 % and so many degrees of freedom as there are blocks, less two.
_T = 2.101


class Slope(NamedTuple):
    """How much something grows in an hour, give or take, with 95 % confidence.

    Attributes:
        half: Of the interval's width; infinite where there is too little to say.
    """

    per_hour: float
    half: float

    @property
    def least(self) -> float:
        """The interval's lower end."""
        return self.per_hour - self.half

    @property
    def most(self) -> float:
        """Its upper end."""
        return self.per_hour + self.half


def slope(times_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Fit a line through the means of twenty stretches of time.

    What is measured each second depends on the second before: memory moves in steps and stays. Means of a stretch
    hardly do, so the spread about the line says how sure it is.
    """
    size = len(times_s) // BLOCKS
    if size < 1:
        return Slope(0.0, math.inf)
    cuts = range(len(times_s) - size * BLOCKS, len(times_s), size)
    x = [statistics.fmean(times_s[at : at + size]) for at in cuts]
    y = [statistics.fmean(values[at : at + size]) for at in cuts]
    line = statistics.linear_regression(x, y)
    rest = [each - (line.intercept + line.slope * at) for at, each in zip(x, y, strict=True)]
    mean = statistics.fmean(x)
    spread = math.sqrt(sum(each * each for each in rest) / (BLOCKS - 2) / sum((at - mean) ** 2 for at in x))
    return Slope(line.slope * HOUR_S, _T * spread * HOUR_S)
