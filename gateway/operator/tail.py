"""New exchanges, to whoever watches: one reader of the store, any number of watchers, each shown what it asked for.

The store is asked only while somebody watches, and once for all of them. A watcher who reads too slowly loses the
oldest exchanges and is told how many; nobody's slowness is anybody else's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import orjson

from gateway.clients.clock import Clock
from gateway.core.errors import GatewayError, Overloaded

POLL_S = 0.25
# After a failure of the store; the watchers only see a pause.
RETRY_S = 2.0
MAX_WATCHERS = 64
MAX_BEHIND = 1_000

Row = Mapping[str, Any]
Judge = Callable[[Row], bool]


class Fetch(Protocol):
    """Asks the store for what is new."""

    async def __call__(self, after: str | None) -> tuple[Iterable[Row], str]:
        """Exchanges that arrived after a cursor, oldest first, and the next cursor; ``None`` means from now on."""
        ...


class Watcher:
    """One who watches; made by :meth:`Feed.watch`."""

    def __init__(self, max_behind: int, wanted: Judge | None = None) -> None:
        self._wanted = wanted
        self._rows: deque[Row] = deque(maxlen=max_behind)
        self._skipped = 0
        self._closed = False
        self._news = asyncio.Event()

    async def next(self, timeout_s: float) -> tuple[list[Row], int]:
        """Wait for news.

        Returns:
            Exchanges, oldest first, and how many before them were lost. Both are empty when the time is up.

        Raises:
            StopAsyncIteration: The feed is closed.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return [], 0
        if self._closed and not self._rows:
            raise StopAsyncIteration
        rows, skipped = list(self._rows), self._skipped
        self._rows.clear()
        self._skipped = 0
        if not self._closed:
            self._news.clear()
        return rows, skipped

    def push(self, rows: Iterable[Row]) -> None:
        """Give news, of which the watcher keeps what it wants."""
        for row in rows if self._wanted is None else filter(self._wanted, rows):
            self._skipped += len(self._rows) == self._rows.maxlen
            self._rows.append(row)
        if self._rows:
            self._news.set()

    def close(self) -> None:
        """Let the watcher know that nothing more comes."""
        self._closed = True
        self._news.set()


class Feed:
    """Asks for new exchanges while somebody watches.

    Args:
        fetch: Asks the store.
        clock: Decides how long a pause is.
        max_watchers: Watchers at a time; further ones are refused.
        max_behind: Exchanges kept for a watcher who does not read.
    """

    def __init__(
        self, fetch: Fetch, clock: Clock, max_watchers: int = MAX_WATCHERS, max_behind: int = MAX_BEHIND
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._max_watchers = max_watchers
        self._max_behind = max_behind
        self._watchers: set[Watcher] = set()
        self._watched = asyncio.Event()
        self._started = asyncio.Event()
        self._closed = False

    @contextmanager
    def watch(self, wanted: Judge | None = None) -> Generator[Watcher, None, None]:
        """Watch from now on.

        Args:
            wanted: Which exchanges; all of them by default.

        Raises:
            Overloaded: Too many watch already.
        """
        if len(self._watchers) >= self._max_watchers:
            raise Overloaded("Too many watch the tail already.")
        watcher = Watcher(self._max_behind, wanted)
        if self._closed:
            watcher.close()
        self._watchers.add(watcher)
        self._watched.set()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._watched.clear()

    async def started(self, timeout_s: float = RETRY_S) -> None:
        """Wait until nothing that arrives from now on can be missed, or until the store fails to say so in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._started.wait()

    async def run(self) -> None:
        """Ask and hand out until cancelled."""
        cursor: str | None = None
        while True:
            if not self._watchers:
                self._started.clear()
                cursor = None
                await self._watched.wait()
            try:
                rows, cursor = await self._fetch(cursor)
            except GatewayError:
                await self._clock.sleep(RETRY_S)
                continue
            self._started.set()
            rows = list(rows)
            for watcher in self._watchers:
                watcher.push(rows)
            await self._clock.sleep(POLL_S)

    def close(self) -> None:
        """End every watcher's stream, and at once that of whoever comes later."""
        self._closed = True
        for watcher in self._watchers:
            watcher.close()


def events(rows: Iterable[Row], skipped: int) -> bytes:
    """News as server-sent events; a comment when there is none, so that the connection shows life."""
    parts: list[bytes] = []
    if skipped:
        parts.append(b"event: skipped\ndata: %d\n\n" % skipped)
    parts.extend(b"event: exchange\ndata: " + orjson.dumps(row) + b"\n\n" for row in rows)
    return b"".join(parts) or b": alive\n\n"
