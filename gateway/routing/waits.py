"""How long calls wait for their first byte: a histogram that forgets, from which any share of them can be read.

Bounded whatever comes: waits are counted in slots that each end a tenth later than the one before, so that what is read
is off by no more than that. Reads no clock: what is old weighs less as news come in.
"""

from __future__ import annotations

from math import ceil, log

# Seconds: what is less, or more, counts as this.
SHORTEST_S, LONGEST_S = 0.001, 1000.0
STEP = 1.1
# So many waits are known before anything is said about shares of them.
ENOUGH = 20
# So many, and all of them weigh half from then on.
MOST = 1024.0
# What was read stands for so many further waits.
_STANDS = 16
_LOG_STEP = log(STEP)
_SLOTS = ceil(log(LONGEST_S / SHORTEST_S) / _LOG_STEP) + 1


class Waits:
    """The waits of one deployment."""

    __slots__ = ("_count", "_counts", "_read", "_seen")

    def __init__(self) -> None:
        self._counts = [0.0] * _SLOTS
        self._count = 0.0
        self._seen = 0
        # By share: what was read, and after how many waits.
        self._read: dict[float, tuple[float, int]] = {}

    def note(self, wait_s: float) -> None:
        """Take one wait, in seconds."""
        wait_s = min(max(wait_s, SHORTEST_S), LONGEST_S)
        self._counts[ceil(log(wait_s / SHORTEST_S) / _LOG_STEP - 1e-9)] += 1.0
        self._count += 1.0
        self._seen += 1
        if self._count >= MOST:
            self._counts = [each / 2.0 for each in self._counts]
            self._count /= 2.0

    def within_s(self, share: float) -> float | None:
        """Seconds within which this share of calls had their first byte; ``None`` while too few are known."""
        if self._seen < ENOUGH:
            return None
        known = self._read.get(share)
        if known is None or self._seen - known[1] >= _STANDS:
            known = self._read[share] = self._find(share), self._seen
        return known[0]

    def _find(self, share: float) -> float:
        # Those that are left when so many waited longer; from the end, where what is asked for mostly is.
        longer = self._count * (1.0 - share)
        for slot in range(_SLOTS - 1, 0, -1):
            longer -= self._counts[slot]
            if longer < 0.0:
                return SHORTEST_S * STEP**slot
        return SHORTEST_S
