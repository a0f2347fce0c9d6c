"""A retry budget: trying the same again must not become the load that keeps a provider down. Reads no clock."""

from __future__ import annotations

SHARE = 0.1
# For callers so few that a tenth of their calls is none.
RESERVE = 10.0
A_SECOND = 0.2


class RetryBudget:
    """Every call pays in a tenth of a retry; a retry takes one out.

    Only tries at a deployment that has had the same call already count: they are load that would not be there
    otherwise. A call that goes on to another deployment is load that the first one does not have.
    """

    __slots__ = ("_at_s", "_left")

    def __init__(self, now_s: float) -> None:
        self._left = RESERVE
        self._at_s = now_s

    def call(self) -> None:
        """A call begins."""
        self._left = min(RESERVE * 10, self._left + SHARE)

    def take(self, now_s: float) -> bool:
        """Take a retry out, if there is one."""
        if self._left < RESERVE:
            self._left = min(RESERVE, self._left + max(0.0, now_s - self._at_s) * A_SECOND)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
