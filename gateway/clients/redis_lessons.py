"""What gateways that share a Redis tell each other of answers that were served: the newest of it, in their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from gateway.clients.redis_cache_scripts import ROOT

TOLD = f"{ROOT}told"
# So many are kept, more or less; who was away for longer has missed some, and nothing worse.
MOST_KEPT = 4_096
_AT_ONCE = 512
_FIELD = b"l"
_START = "0-0"
Run = Callable[..., Awaitable[Any]]


class RedisLessons:
    """The list of them.

    Args:
        run: Runs one command there.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    async def tell(self, lesson: bytes) -> None:
        """Add one."""
        await self._run("XADD", TOLD, "MAXLEN", "~", MOST_KEPT, "*", _FIELD, lesson)

    async def told(self, place: str) -> tuple[str, list[bytes]]:
        """Give what stands behind a place, and the place behind that; from the empty place on, only the end."""
        if not place:
            last = _rows(await self._run("XREVRANGE", TOLD, "+", "-", "COUNT", 1))
            return (last[0][0] if last else _START), []
        found = _rows(await self._run("XRANGE", TOLD, f"({place}", "+", "COUNT", _AT_ONCE))
        return (found[-1][0] if found else place), [lesson for _, lesson in found if lesson]


def _rows(answer: Any) -> list[tuple[str, bytes]]:
    rows = cast("list[tuple[bytes, dict[bytes, bytes] | None]]", answer or [])
    return [(at.decode("ascii"), (fields or {}).get(_FIELD, b"")) for at, fields in rows]
