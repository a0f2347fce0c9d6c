"""What is given out for a while and stands in for a key: fetched when it is asked for, and renewed in time.

It is renewed while the old one still holds, so calls wait only for the first; many that wait make one fetch, and
nothing runs between calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.core.errors import GatewayError, Overloaded

# Renewed when less than this is left.
RENEW_S = 300.0
# How long a refusal is remembered, so that calls do not ask again and again.
BACK_OFF_S = 1.0

Ready = Callable[[bytes], None]
Failed = Callable[[GatewayError], None]


class Waiter:
    """Somebody who waits; told once, unless it lets go first."""

    __slots__ = ("failed", "ready")

    def __init__(self, ready: Ready, failed: Failed) -> None:
        self.ready: Ready | None = ready
        self.failed: Failed | None = failed

    def cancel(self) -> None:
        """Wait no longer."""
        self.ready = self.failed = None


class Renewed:
    """Fetches, one at a time. Subclasses say what, keep it, and know how long it holds.

    Args:
        now_s: The clock by which that is known.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._loop = asyncio.get_running_loop()
        self._refused: tuple[float, GatewayError] | None = None
        self._waiting: list[Waiter] = []
        self._renewing: asyncio.Task[None] | None = None

    async def fetch(self) -> bytes:
        """Fetch and keep what there is to fetch.

        Returns:
            What those get who wait.

        Raises:
            GatewayError: It is refused, or cannot be had now.
        """
        raise NotImplementedError

    def wait(self, ready: Ready, failed: Failed) -> Waiter:
        """Be told when it is there, or why it is not."""
        waiter = Waiter(ready, failed)
        self._waiting.append(waiter)
        self.renew()
        return waiter

    def renew(self) -> None:
        """Fetch it, unless that is being done, or was refused just now."""
        if self._renewing is not None:
            return
        if self._refused is not None and self._now_s() - self._refused[0] < BACK_OFF_S:
            error = self._refused[1]
            self._loop.call_soon(self._tell, None, error)
            return
        self._renewing = self._loop.create_task(self._renew())

    async def close(self) -> None:
        """Stop renewing; who waits is told."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        self._tell(None, Overloaded("The gateway is shutting down."))

    async def _renew(self) -> None:
        given, refused = None, None
        try:
            given = await self.fetch()
            self._refused = None
        except GatewayError as error:
            refused = error
            self._refused = (self._now_s(), error)
        finally:
            self._renewing = None
        self._tell(given, refused)

    def _tell(self, given: bytes | None, error: GatewayError | None) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if given is not None and waiter.ready is not None:
                waiter.ready(given)
            elif error is not None and waiter.failed is not None:
                waiter.failed(type(error)(error.public_message))
            waiter.cancel()
