"""Sessions in which something untrusted was seen, for a while."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

MAX_SESSIONS = 65_536
TTL_S = 3_600.0


class Taints:
    """Remembers tainted sessions by tenant and session: bounded, and each for a while.

    Args:
        now_s: Monotonic clock.
    """

    __slots__ = ("_now_s", "_until")

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._until: dict[tuple[str, str], float] = {}

    def taint(self, tenant: str, session: str) -> None:
        """Taint a session from now on; a call without one leaves no trace."""
        if not session:
            return
        self._until.pop((tenant, session), None)
        if len(self._until) >= MAX_SESSIONS:
            del self._until[next(iter(self._until))]
        self._until[tenant, session] = self._now_s() + TTL_S

    def tainted(self, tenant: str, session: str) -> bool:
        """Say whether a session is tainted."""
        until = self._until.get((tenant, session)) if session else None
        if until is None:
            return False
        if self._now_s() < until:
            return True
        del self._until[tenant, session]
        return False
