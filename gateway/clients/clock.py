"""The only place that reads time. Every room takes a :class:`Clock`, so that tests decide what time it is."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What a room may ask of time."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that only ever grow; for durations."""
        ...

    def unix_ms(self) -> int:
        """Milliseconds since 1970; for identifiers and names."""
        ...

    def unix_us(self) -> int:
        """Microseconds since 1970; for records."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let that much time pass."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    # Bound as attributes rather than wrapped: asking for the time happens several times a request.
    monotonic_ns = staticmethod(time.monotonic_ns)

    def unix_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def unix_us(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1_000

    async def sleep(self, seconds: float) -> None:
        """Let that much time pass."""
        await asyncio.sleep(seconds)
