"""Counts how far estimates of tokens were from what providers reported."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

# Provider, whose rules counted, and input or output.
ErrorKey = tuple[str, str, str]
# Buckets of the error, relative to what was reported, and one above the last; then its sum, and the tokens of both.
ErrorCounts = list[int | float]

ERROR_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
ERROR_SUM = len(ERROR_BOUNDS) + 1
ESTIMATED, REPORTED = ERROR_SUM + 1, ERROR_SUM + 2
ERROR_SIZE = REPORTED + 1
# Providers are those of the configuration; reloads may bring others.
MAX_LABEL_SETS = 200
OTHER = "other"


class EstimateErrors:
    """Counts by provider, rules and direction.

    Args:
        most: Label sets kept apart before further ones are counted as ``other``.
    """

    __slots__ = ("_most", "counts")

    def __init__(self, most: int = MAX_LABEL_SETS) -> None:
        self._most = most
        self.counts: dict[ErrorKey, ErrorCounts] = {}

    def add(self, key: ErrorKey, estimated: int, reported: int) -> None:
        """Count one comparison; without anything reported there is nothing to compare with."""
        if reported <= 0:
            return
        if key not in self.counts and len(self.counts) >= self._most:
            key = (OTHER, OTHER, key[2])
        counts = self.counts.setdefault(key, [0] * ERROR_SIZE)
        error = abs(estimated - reported) / reported
        counts[bisect_left(ERROR_BOUNDS, error)] += 1
        counts[ERROR_SUM] += error
        counts[ESTIMATED] += estimated
        counts[REPORTED] += reported


def errors_added_up(workers: Iterable[Iterable[tuple[ErrorKey, ErrorCounts]]]) -> dict[ErrorKey, ErrorCounts]:
    """Add up what several workers have counted; what is of another layout is left out."""
    sums: dict[ErrorKey, ErrorCounts] = {}
    for worker in workers:
        for key, counts in worker:
            if len(counts) == ERROR_SIZE:
                before = sums.get(key, [0] * ERROR_SIZE)
                sums[key] = [one + other for one, other in zip(before, counts, strict=True)]
    return sums
