"""How long an answer may take that somebody else fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.core.errors import FirstTokenTimeout, GatewayError, TotalTimeout
from gateway.core.exchange import Timeouts


class Patience:
    """Two of a try's timers: until the answer begins, and for the whole of it. The others are Envoy's.

    Args:
        fail: Is told which has run out.
    """

    def __init__(self, fail: Callable[[GatewayError], None]) -> None:
        self._fail = fail
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False

    def start(self, timeouts: Timeouts) -> None:
        """The request is on its way."""
        self._timeouts = timeouts
        first = min(timeouts.first_token_s, timeouts.total_s)
        self._timer = asyncio.get_running_loop().call_later(first, self._first)

    def begun(self) -> None:
        """The answer has."""
        self._begun = True

    def stop(self) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _first(self) -> None:
        first_s, total_s = self._timeouts.first_token_s, self._timeouts.total_s
        if self._begun and first_s < total_s:
            self._timer = asyncio.get_running_loop().call_later(total_s - first_s, self._late)
        elif self._begun or first_s >= total_s:
            self._late()
        else:
            self._fail(FirstTokenTimeout(f"The provider sent nothing within {first_s:g} s."))

    def _late(self) -> None:
        self._fail(TotalTimeout(f"The provider did not finish within {self._timeouts.total_s:g} s."))
