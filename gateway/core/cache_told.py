"""What a worker says of its cache: how often what came of it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class CacheCounts(msgspec.Struct, kw_only=True):
    """Counts since the start.

    Attributes:
        results: By what came of a call or of an answer: ``hit_exact``, ``hit_semantic``, ``miss``, ``stored``, …
        saved_nanousd: What the answers given had cost.
        entries: Now.
        bytes: That they take, now.
        evictions: Entries that had to make room.
        errors: Times that the store could not be asked.
    """

    results: dict[str, int] = {}
    saved_nanousd: int = 0
    entries: int = 0
    bytes: int = 0
    evictions: int = 0
    errors: int = 0

    def count(self, result: str) -> None:
        """Count one. The names are ours, and few."""
        self.results[result] = self.results.get(result, 0) + 1

    def resumed(self) -> CacheCounts:
        """Give what a successor counts on from: what was there is not there any more."""
        return msgspec.structs.replace(self, entries=0, bytes=0)


def cache_added_up(counts: Iterable[CacheCounts | None]) -> CacheCounts | None:
    """Add up what several workers say; ``None`` where none has a cache."""
    total: CacheCounts | None = None
    for each in counts:
        if each is None:
            continue
        total = total or CacheCounts()
        for result, number in each.results.items():
            total.results[result] = total.results.get(result, 0) + number
        for name in ("saved_nanousd", "entries", "bytes", "evictions", "errors"):
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total
