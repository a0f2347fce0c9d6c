"""How much of what helps nobody a client may send: so much at once, and so much a second."""

from __future__ import annotations

from collections.abc import Callable


class Calm:
    """A budget that fills up again with time.

    Args:
        most: What may be spent at once.
        per_s: What comes back a second.
        now_s: Any clock that does not go back, in seconds.
    """

    __slots__ = ("_at_s", "_left", "_most", "_now_s", "_per_s")

    def __init__(self, most: float, per_s: float, now_s: Callable[[], float]) -> None:
        self._left = self._most = most
        self._per_s = per_s
        self._now_s = now_s
        self._at_s = now_s()

    def upset(self, cost: float = 1.0) -> bool:
        """Spend some of it; tells whether that was too much."""
        if self._left < cost:
            # The clock is asked only where it matters.
            now_s = self._now_s()
            self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
            self._at_s = now_s
        self._left -= cost
        return self._left < 0

    def soothe(self, gain: float = 1.0) -> None:
        """Give some of it back, for what was of use."""
        self._left = min(self._most, self._left + gain)
