"""Counts tries at providers: of which kind they were, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.record import AttemptRecord

# provider, kind, outcome
TryKey = tuple[str, str, str]
MAX_LABEL_SETS = 500
OTHER = "other"
OK = "ok"
FIRST = "first"
PROBE = "probe"
MIRROR = "mirror"
_SAID: dict[int, str] = {408: "408", 409: "409", 429: "429"}


def outcome(status: int, code: str) -> str:
    """Name what came of a try: ``ok``, what the provider's status says, else our code of the error."""
    if status >= 500:
        return "5xx"
    if status >= 400:
        return _SAID.get(status, "4xx")
    return code or OK


class Tries:
    """Counts by provider, kind and outcome.

    Args:
        most: Label sets kept apart before further ones are counted as ``other``.
    """

    __slots__ = ("_most", "counts")

    def __init__(self, most: int = MAX_LABEL_SETS) -> None:
        self._most = most
        self.counts: dict[TryKey, int] = {}

    def observe(self, attempts: Iterable[AttemptRecord]) -> None:
        """Count the tries of an exchange."""
        for each in attempts:
            self.add((each.provider, each.kind, outcome(each.status, each.error_code)), 1)

    def add(self, key: TryKey, count: int) -> None:
        """Count some of one kind."""
        counts = self.counts
        if key not in counts and len(counts) >= self._most:
            key = (OTHER, OTHER, OTHER)
        counts[key] = counts.get(key, 0) + count


def added(before: list[tuple[tuple[str, str], int]], now: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """The predecessors' counts and our own."""
    total = dict(before)
    for key, count in now.items():
        total[key] = total.get(key, 0) + count
    return total
