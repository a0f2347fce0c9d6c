"""Averages that forget: how long a deployment lets wait, as it is now. Reads no clock."""

from __future__ import annotations

from math import exp

# After this long without a call, what was known has lost two thirds of its weight.
MEMORY_S = 10.0


class PeakAverage:
    """A moving average that believes bad news at once and good news slowly.

    Without news it sinks towards zero, so that a deployment which was slow is tried again some day.

    Source: Twitter's Finagle, "peak EWMA" (https://twitter.github.io/finagle/guide/Clients.html#load-balancing).
    """

    __slots__ = ("_at_s", "_memory_s", "_value")

    def __init__(self, memory_s: float = MEMORY_S) -> None:
        self._memory_s = memory_s
        self._value = 0.0
        self._at_s = 0.0

    def note(self, value: float, now_s: float) -> None:
        """Take a measurement, in whatever unit."""
        if value >= self._value:
            self._value = value
        else:
            kept = exp(-max(0.0, now_s - self._at_s) / self._memory_s)
            self._value = self._value * kept + value * (1.0 - kept)
        self._at_s = now_s

    def read(self, now_s: float) -> float:
        """The average at a moment; 0.0 when nothing is known."""
        if not self._value:
            return 0.0
        return self._value * exp(-max(0.0, now_s - self._at_s) / self._memory_s)
