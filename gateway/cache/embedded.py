"""The store in the data home: one file for all workers of a machine, and in each worker what it needs at hand.

Answers that were given lately are in memory, and a miss of a worker that is alone needs no disk. All else is done by
two threads: one has the file, the other the vectors of questions (:mod:`gateway.clients.neighbour_watch`), which follow
the file. Where usearch is not installed there are no neighbours, and everything else works.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from gateway.clients.answer_database import Page
from gateway.clients.answer_file import AnswerFile
from gateway.clients.answer_relays import AnswerRelays
from gateway.clients.clock import Clock
from gateway.core.cache_survey import Kept, Survey, Wanted
from gateway.core.cached import CachedAnswer
from gateway.core.errors import StoreUnavailable

if TYPE_CHECKING:
    from gateway.clients.neighbour_watch import NeighbourWatch

log = logging.getLogger("weighbridge.cache")
T = TypeVar("T")
Asked = TypeVarTuple("Asked")

HOT_BYTES = 32 << 20
# A search waits so long at most: for what is new, or for a slice of what is caught up with beside it.
CATCH_UP_S = SLICE_S = 0.003
SAVE_S, SAVE_CHANGES = 300.0, 2_000
_MOST_HITS, _MOST_WAITING = 64, 512
_CLOSED = "The cache's disk is let go."
# Loaded where neighbours are asked for only: numpy and the graphs are some megabytes.
_WATCH = "gateway.clients.neighbour_watch"
_NO_GRAPHS = "usearch is not installed: answers are found for the very same question only."


class _Lane:
    """A thread, and what waits for it."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(1, f"cache-{name}")
        self._waiting = 0
        self._closed = False

    async def do(self, work: Callable[[*Asked], T], *what: *Asked) -> T:
        """Have something done there.

        Raises:
            StoreUnavailable: Too much waits already, or it is closed.
        """
        if self._waiting >= _MOST_WAITING:
            raise StoreUnavailable("The cache's disk does not keep up.")
        if self._closed:
            raise StoreUnavailable(_CLOSED)
        self._waiting += 1
        done = self._threads.submit(work, *what)
        done.add_done_callback(self._less)
        try:
            return await asyncio.wrap_future(done)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and not (task is not None and task.cancelling()):
                # It was waiting when the thread was let go; nobody has cancelled who asks.
                raise StoreUnavailable(_CLOSED) from None
            raise

    def _less(self, _done: object) -> None:
        self._waiting -= 1

    def close(self) -> None:
        """Wait for what runs; what waits is not done any more."""
        self._closed = True
        self._threads.shutdown(cancel_futures=True)


class _Hot:
    """Answers at hand, the least lately used first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answers: OrderedDict[bytes, CachedAnswer] = OrderedDict()

    def get(self, key: bytes) -> CachedAnswer | None:
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def put(self, answer: CachedAnswer) -> None:
        self.drop(answer.key)
        self._answers[answer.key] = answer
        self._bytes += _size(answer)
        while self._bytes > self._most_bytes:
            _, least = self._answers.popitem(last=False)
            self._bytes -= _size(least)

    def drop(self, key: bytes) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None:
            self._bytes -= _size(answer)

    def clear(self) -> None:
        self._answers.clear()
        self._bytes = 0


def _size(answer: CachedAnswer) -> int:
    return len(answer.body) + len(answer.question) + 1_000


class _Relays:
    """A :class:`gateway.cache.relays.Relays` in the file."""

    def __init__(self, disk: _Lane, tables: AnswerRelays) -> None:
        self._disk = disk
        self._tables = tables

    async def want(self, key: bytes, for_s: float) -> None:
        await self._disk.do(self._tables.want, key, for_s)

    async def wanted(self) -> set[bytes]:
        return await self._disk.do(self._tables.wanted)

    async def say(self, key: bytes, parts: list[bytes], for_s: float, *, anew: bool) -> bool:
        await self._disk.do(lambda: self._tables.say(key, parts, for_s, anew=anew))
        return True

    async def lies(self, key: bytes) -> tuple[bytes, int]:
        return await self._disk.do(self._tables.lies, key)

    async def said(self, key: bytes, after: int) -> list[bytes]:
        return await self._disk.do(self._tables.said, key, after)


class EmbeddedShelf:
    """The store of one worker.

    Args:
        home: The data home.
        clock: Tells the time.
        max_bytes: Of all entries, together.
        max_entries: How many.
        neighbours: Whether questions that are alike are looked for.

    Attributes:
        relays: Where its workers pass streams on to each other.
    """

    def __init__(self, home: Path, clock: Clock, *, max_bytes: int, max_entries: int, neighbours: bool) -> None:
        def file() -> AnswerFile:
            return AnswerFile(home, max_bytes=max_bytes, max_entries=max_entries, unix_s=lambda: clock.unix_ms() / 1000)

        self._clock = clock
        self._file, self._disk, self._seek = file(), _Lane("disk"), _Lane("vectors")
        self.relays = _Relays(self._disk, AnswerRelays(self._file, lambda: clock.unix_ms() / 1000))
        self._wanted = neighbours
        self._watch = _watch(file(), clock) if neighbours else None
        self._hot = _Hot(min(HOT_BYTES, max_bytes))
        self._hits: dict[bytes, int] = {}
        self._known: set[bytes] | None = None
        self._most_known = 2 * max_entries
        self._put_word = self._dropped_word = b""
        self._page: Page | None = None
        self._following: asyncio.Task[None] | None = None
        self._saved_ns = clock.monotonic_ns()

    @property
    def searches(self) -> bool:
        """Whether neighbours can be asked for."""
        return self._watch is not None

    @property
    def note(self) -> str:
        """Why not, where that is worth a word."""
        return _NO_GRAPHS if self._wanted and self._watch is None else ""

    async def open(self) -> None:
        """Learn what the file has; the vectors follow beside.

        Raises:
            StoreUnavailable: It does not work now.
        """
        self._page = self._file.page()
        word = self._page.put
        self._known, self._put_word = set(await self._disk.do(self._file.keys)), word
        if self._watch is not None:
            self._following = asyncio.get_running_loop().create_task(self._load(self._watch), name="cache-load")

    def glance(self, key: bytes) -> tuple[bool, CachedAnswer | None]:
        """Say at once whether it is known what :meth:`get` would give, and what."""
        page = self._page
        if page is None:
            return False, None
        if page.dropped != self._dropped_word:
            self._hot.clear()
            self._dropped_word = page.dropped
        found = self._hot.get(key)
        if found is None:
            return self._known is not None and key not in self._known and page.put == self._put_word, None
        if found.expires_s <= self._clock.unix_ms() // 1000:
            self._hot.drop(key)
            return True, None
        self._hits[key] = self._hits.get(key, 0) + 1
        return True, found

    async def get(self, key: bytes) -> CachedAnswer | None:
        """Give an answer that has not expired."""
        self._page = self._page or self._file.page()
        known, found = self.glance(key)
        if known:
            return found
        if len(self._hits) >= _MOST_HITS:
            await self._note_hits()
        found = await self._disk.do(self._file.get, key)
        if found is not None:
            self._hot.put(found)
            self._hits[key] = self._hits.get(key, 0) + 1
        return found

    async def put(self, answer: CachedAnswer, vector: bytes) -> int:
        """Keep an answer."""
        await self._note_hits()
        put = await self._disk.do(self._file.put, answer, vector)
        if put is None:
            return -1
        # What this worker has put itself is no news; what another has is not known here until it is asked for.
        if self._known is not None and put.before == self._put_word and len(self._known) < self._most_known:
            self._known.add(answer.key)
            self._put_word = put.after
        else:
            self._known = None
        self._hot.drop(answer.key)
        if vector:
            self._follow()
        return put.evicted

    async def near(
        self, partition: str, fingerprint: bytes, vector: bytes, most: int
    ) -> list[tuple[CachedAnswer, float]]:
        """Give the nearest, with their cosines."""
        watch = self._watch
        if watch is None:
            return []

        def work() -> tuple[bool, list[tuple[CachedAnswer, float]]]:
            return watch.catch_up(CATCH_UP_S), watch.near(partition, fingerprint, vector, most)

        whole, found = await self._seek.do(work)
        if not whole:
            self._follow()
        return found

    async def settled(self) -> None:
        """Wait until the vectors have caught up with the file."""
        while self._following is not None and not self._following.done():
            await asyncio.wait([self._following])

    async def remove(self, key: bytes) -> int:
        """Forget one entry, in all workers."""
        self._hot.drop(key)
        return await self._disk.do(self._file.remove, key)

    async def find(self, wanted: Wanted, most: int) -> list[Kept]:
        """Give entries."""
        return await self._disk.do(self._file.find, wanted, most)

    async def drop(self, wanted: Wanted, *, dry_run: bool) -> int:
        """Forget entries, in all workers, or say how many that would be."""
        return await self._disk.do(lambda: self._file.drop(wanted, dry_run=dry_run))

    async def lead(self, key: bytes, token: str, ttl_s: float) -> bool:
        """Be the one worker that asks."""
        return await self._disk.do(self._file.lead, key, token, ttl_s)

    async def led(self, key: bytes) -> bool:
        """Whether somebody does."""
        return await self._disk.do(self._file.led, key)

    async def renew(self, key: bytes, token: str, ttl_s: float) -> None:
        """Be it for longer."""
        await self._disk.do(self._file.renew, key, token, ttl_s)

    async def release(self, key: bytes, token: str) -> None:
        """Let others ask."""
        await self._disk.do(self._file.release, key, token)

    async def state_get(self, name: str) -> bytes:
        """Give small state."""
        return await self._disk.do(self._file.state_get, name)

    async def state_put(self, name: str, data: bytes) -> None:
        """Keep small state."""
        await self._disk.do(self._file.state_put, name, data)

    async def tell(self, lesson: bytes) -> None:
        """Workers of one home tell each other by its files."""

    async def told(self, place: str) -> tuple[str, list[bytes]]:
        """As said."""
        return place, []

    async def sums(self) -> tuple[int, int]:
        """Give how many entries there are, and their bytes."""
        entries, size, _, _ = await self._disk.do(self._file.sums)
        return entries, size

    async def survey(self) -> Survey:
        """Say what is there."""
        await self._note_hits()
        return await self._disk.do(lambda: self._file.survey(searches=self.searches))

    async def close(self) -> None:
        """Count the last hits, write graphs down, and let go."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        watch, self._watch, self._page = self._watch, None, None
        try:
            await self._note_hits()
            if watch is not None:
                await self._seek.do(watch.save, 1)
        except StoreUnavailable:
            log.info("cache: what was counted last is lost")
        self._disk.close()
        self._seek.close()
        self._file.close()
        if watch is not None:
            watch.close()

    async def _note_hits(self) -> None:
        hits, self._hits = self._hits, {}
        if hits:
            await self._disk.do(self._file.note_hits, hits)

    def _follow(self) -> None:
        if self._watch is not None and (self._following is None or self._following.done()):
            self._following = asyncio.get_running_loop().create_task(self._catch_up(self._watch), name="cache-follow")

    async def _load(self, watch: NeighbourWatch) -> None:
        # The graphs are read first, by this or by whoever asks for neighbours sooner.
        await self._catch_up(watch)

    async def _catch_up(self, watch: NeighbourWatch) -> None:
        """In slices, so that searches have their turn in between."""
        while await _tried(self._seek.do(watch.catch_up, SLICE_S)) is False:
            pass
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._saved_ns > SAVE_S * 1e9:
            self._saved_ns = now_ns
            await _tried(self._seek.do(watch.save, SAVE_CHANGES))


async def _tried(work: Awaitable[T]) -> T | None:
    try:
        return await work
    except StoreUnavailable as error:
        log.info("cache: %s", error.public_message)
        return None


def _watch(file: AnswerFile, clock: Clock) -> NeighbourWatch | None:
    try:
        module = import_module(_WATCH)
    except ImportError:
        log.warning("cache: %s", _NO_GRAPHS)
        return None
    return module.NeighbourWatch(file, lambda: clock.monotonic_ns() / 1e9)
