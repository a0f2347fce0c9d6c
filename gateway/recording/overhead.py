"""The time that the gateway itself takes of calls: the one histogram that is not kept apart by labels."""

from __future__ import annotations

# Upper bounds in milliseconds; an observation above the last lands in one more bucket.
OVERHEAD_BOUNDS_MS: tuple[float, ...] = (
    *(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0),
    *(10.0, 25.0, 50.0, 100.0, 250.0, 1000.0),
)


class Overhead:
    """How many calls fell into each bucket, and the sum of all."""

    __slots__ = ("counts", "sum_ms")

    def __init__(self) -> None:
        self.counts: list[int | float] = [0] * (len(OVERHEAD_BOUNDS_MS) + 1)
        self.sum_ms = 0.0
