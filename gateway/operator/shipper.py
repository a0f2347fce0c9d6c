"""Ships the spool to the trace store: whole slices of lines as they are, each exactly once.

A slice is read, its end is put on disk (``offsets``), it is sent with a token made of its place, and only then does the
offset move. Whatever is sent again after a crash or a lost answer is the same slice with the same token. A segment is
deleted when its writer is gone or has gone on to the next one, and all of it is in the store.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

import msgspec
import orjson

from gateway.clients.clock import Clock
from gateway.core.errors import GatewayError, StoreRejected, StoreUnavailable
from gateway.operator.erasures import ErasureBook
from gateway.operator.offsets import OffsetBook
from gateway.recording.segment import Slice, list_segments, read_range, read_slice

_P = ParamSpec("_P")
_T = TypeVar("_T")

_STUCK = "segments of the spool have offsets that cannot be read; see 'weighbridge spool repair'."


class SliceStore(Protocol):
    """Takes slices; ``store.TraceStore`` is one."""

    async def insert(self, lines: bytes, token: str) -> None:
        """Insert whole lines, once a token.

        Raises:
            StoreUnavailable: Not now.
            StoreRejected: A line among them will never do.
        """
        ...


class ShipperLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and pauses.

    Attributes:
        poll_s: Between looks at an idle spool.
        linger_s: After something was shipped: an insert costs about the same for one line as for a thousand. Longer,
            up to ``last_linger_s``, where shipping takes long, so that it keeps a fifth of a core busy at most.
        poison_bytes: The most that set-aside lines may take; beyond it they are only counted.
    """

    slice_bytes: int = 8 << 20
    slice_lines: int = 20_000
    line_bytes: int = 64 << 20
    poison_bytes: int = 64 << 20
    poll_s: float = 0.1
    linger_s: float = 0.4
    last_linger_s: float = 1.2
    first_backoff_s: float = 0.2
    last_backoff_s: float = 5.0


class Shipper:
    """Follows a spool directory.

    Args:
        spool_dir: Where workers write.
        store: Takes the slices.
        clock: Pauses, and tells how old what waits is.
        limits: Sizes and pauses.
        jitter: Gives numbers from 0 to 1, so that many hosts do not come back to a store at the same moment.

    Attributes:
        shipped_lines: Lines that are in the store.
        poison_lines: Lines that the store will never take; they lie in ``poison/``.
        torn_lines: Last lines that a crash cut short.
        lag_bytes: What waits.
        lag_s: For how long the oldest of it has waited, as far as this process saw.
        last_error: Why it waits; empty when nothing is wrong.
        stuck: Segments whose offsets cannot be read. They wait for ``weighbridge spool repair``, the others do not.
    """

    def __init__(
        self,
        spool_dir: Path,
        store: SliceStore,
        clock: Clock,
        *,
        limits: ShipperLimits | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.shipped_lines = 0
        self.poison_lines = 0
        self.torn_lines = 0
        self.lag_bytes = 0
        self.lag_s = 0.0
        self.last_error = ""
        self.stuck: list[str] = []
        self._dir = spool_dir
        self._store = store
        self._clock = clock
        self._limits = limits or ShipperLimits()
        self._jitter = jitter
        self._book = OffsetBook(spool_dir / "offsets")
        self.erased = ErasureBook(spool_dir)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="shipper-disk")
        # Offset at which a segment waits, and since when.
        self._waiting: dict[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Ship until cancelled. A store that is away is asked again, ever more seldom."""
        failures = 0
        while True:
            try:
                await self._blocking(self._measure)
                began_ns = self._clock.monotonic_ns()
                shipped = await self.ship()
                pause_s = self._pause_s(shipped, self._clock.monotonic_ns() - began_ns)
                await self._blocking(self._measure)
                failures, self.last_error = 0, f"{len(self.stuck)} {_STUCK}" if self.stuck else ""
            except GatewayError as error:
                failures, self.last_error = failures + 1, error.public_message
                pause_s = self._backoff_s(failures)
            except Exception as error:
                # Nothing may end the shipping; its text could quote a line, so only the kind is shown.
                failures, self.last_error = failures + 1, type(error).__name__
                pause_s = self._backoff_s(failures)
            await self._clock.sleep(pause_s)

    async def ship(self) -> int:
        """Ship every whole line that is in the spool now, a slice of each segment in turn.

        What is written meanwhile is left for the next time: following a busy writer line by line would cost an insert
        for every few of them.

        Returns:
            How many lines went into the store.

        Raises:
            StoreUnavailable: The store, or another shipper, stands in the way. What was shipped stays shipped.
        """
        before = self.shipped_lines
        if not await self._blocking(self._begin):
            raise StoreUnavailable("Another process ships this spool.")
        segments = await self._blocking(self._sizes)
        while segments:
            segments = {name: size for name, size in segments.items() if await self._ship_slice(name, size)}
        return self.shipped_lines - before

    async def has_shipped(self, noted: Mapping[str, int]) -> bool:
        """Whether all of some segments, up to where each went, is in the store."""
        return await self._blocking(self._all_shipped, noted)

    def close(self) -> None:
        """Leave the spool to whoever comes next. Nothing may be under way."""
        self._disk.shutdown(wait=True)
        self._book.release()

    async def _ship_slice(self, name: str, size: int) -> bool:
        """Ship the next slice; whether more of the first ``size`` bytes is left."""
        async with self.erased.between:
            piece = await self._blocking(self._next_slice, name)
            if piece is None:
                return False
            poison = await self._insert(name, piece) if piece.data else [(piece, "longer than a line may be")]
            if poison:
                await self._blocking(self._set_aside, name, poison)
            await self._blocking(self._commit, name, piece.end)
            return piece.end < size

    async def _insert(self, name: str, piece: Slice) -> list[tuple[Slice, str]]:
        """Insert a slice; where the store refuses it, find the lines at fault by halves.

        Returns:
            Those lines, and why. They are set aside only when all the others are in the store: a slice that is sent
            again because the store went away would set them aside again.
        """
        poison: list[tuple[Slice, str]] = []
        parts = [piece] if _looks_whole(piece.data) else _objects(piece, poison)
        shipped = 0
        while parts:
            part = parts.pop()
            count = part.data.count(b"\n")
            try:
                await self._store.insert(part.data, f"{self._book.spool_id}:{name}:{part.start}-{part.end}")
            except StoreRejected as error:
                if count == 1:
                    poison.append((part, error.public_message))
                else:
                    # A torn line then costs two inserts, not twenty.
                    parts += _objects(part, poison) if part is piece else _halves(part)
            else:
                shipped += count
        self.shipped_lines += shipped
        return sorted(poison, key=lambda item: item[0].start)

    def _all_shipped(self, noted: Mapping[str, int]) -> bool:
        if not self._book.spool_id:
            return False
        if any(name in self.stuck for name in noted):
            return False
        return all(
            self._book.load(name).committed >= size or not (self._dir / name).exists() for name, size in noted.items()
        )

    def _begin(self) -> bool:
        fresh = not self._book.spool_id
        if not self._book.claim():
            return False
        if fresh:
            self.erased.load()
            self._book.forget_all_but({str(name) for name in list_segments(self._dir)})
        return True

    def _next_slice(self, name: str) -> Slice | None:
        path = self._dir / name
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            piece = self._read(fd, name)
            if piece is None and _abandoned(fd):
                # Its writer may have written a last line before it let go.
                piece = self._read(fd, name)
                if piece is None:
                    self._finish(fd, name)
            if piece is not None:
                self._book.intend(name, piece.end)
            return piece and self.erased.left_of(piece)
        finally:
            os.close(fd)

    def _read(self, fd: int, name: str) -> Slice | None:
        progress = self._book.load(name)
        if progress.intended > progress.committed:
            data = read_range(fd, progress.committed, progress.intended)
            if len(data) == progress.intended - progress.committed:
                oversize = len(data) > self._limits.line_bytes
                return Slice(progress.committed, progress.intended, b"" if oversize else data)
            # The machine lost power and the file lost its end: go on with what there is.
        limits = self._limits
        return read_slice(
            fd,
            progress.committed,
            max_bytes=limits.slice_bytes,
            max_lines=limits.slice_lines,
            max_line_bytes=limits.line_bytes,
        )

    def _commit(self, name: str, end: int) -> None:
        self._book.commit(name, end)
        fd = os.open(self._dir / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _abandoned(fd) and os.fstat(fd).st_size == end:
                self._finish(fd, name)
        finally:
            os.close(fd)

    def _finish(self, fd: int, name: str) -> None:
        if os.fstat(fd).st_size > self._book.load(name).committed:
            self.torn_lines += 1
        (self._dir / name).unlink(missing_ok=True)
        self._book.forget(name)

    def _set_aside(self, name: str, poison: list[tuple[Slice, str]]) -> None:
        self.poison_lines += len(poison)
        _write_aside(self._dir / "poison", name, poison, self._limits.poison_bytes)

    def _sizes(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        stuck: list[str] = []
        for name in list_segments(self._dir):
            with suppress(FileNotFoundError):
                size = (self._dir / str(name)).stat().st_size
                try:
                    self._book.load(str(name))
                except (msgspec.DecodeError, UnicodeDecodeError):
                    stuck.append(str(name))
                else:
                    sizes[str(name)] = size
        self.stuck = stuck
        return sizes

    def _measure(self) -> None:
        now_ns = self._clock.monotonic_ns()
        waiting: dict[str, tuple[int, int]] = {}
        lag_bytes = 0
        for name, size in self._sizes().items():
            committed = self._book.load(name).committed
            if size > committed:
                lag_bytes += size - committed
                seen = self._waiting.get(name)
                waiting[name] = seen if seen and seen[0] == committed else (committed, now_ns)
        self._waiting = waiting
        self.lag_bytes = lag_bytes
        self.lag_s = max(((now_ns - since_ns) / 1e9 for _, since_ns in waiting.values()), default=0.0)

    def _pause_s(self, shipped: int, took_ns: int) -> float:
        limits = self._limits
        if not shipped:
            return limits.poll_s
        return max(limits.linger_s, min(4 * took_ns / 1e9, limits.last_linger_s))

    def _backoff_s(self, failures: int) -> float:
        longest = min(self._limits.last_backoff_s, self._limits.first_backoff_s * 2 ** min(failures - 1, 16))
        return longest * (0.5 + self._jitter() / 2)

    async def _blocking(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, lambda: work(*args, **kwargs))


def _write_aside(folder: Path, name: str, poison: list[tuple[Slice, str]], most: int) -> None:
    folder.mkdir(exist_ok=True, mode=0o700)
    room = most - sum(path.stat().st_size for path in folder.iterdir())
    fd = os.open(folder / name, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        for part, reason in poison:
            line = part.data.decode("utf-8", "replace").rstrip("\n")
            entry = orjson.dumps({"offset": part.start, "reason": reason, "line": line}) + b"\n"
            room -= len(entry)
            if room >= 0:
                os.write(fd, entry)
    finally:
        os.close(fd)


def _abandoned(fd: int) -> bool:
    """Whether no writer holds the segment. The lock that says so is ours until the descriptor is closed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lines(part: Slice) -> list[Slice]:
    found: list[Slice] = []
    at = 0
    while at < len(part.data):
        end = part.data.index(b"\n", at) + 1
        found.append(Slice(part.start + at, part.start + end, part.data[at:end]))
        at = end
    return found


def _halves(part: Slice) -> list[Slice]:
    lines = _lines(part)
    middle = lines[len(lines) // 2].start
    return [
        Slice(middle, part.end, part.data[middle - part.start :]),
        Slice(part.start, middle, part.data[: middle - part.start]),
    ]


def _looks_whole(data: bytes) -> bool:
    """Whether each line begins as an object does. The store takes a line that begins an array for the whole slice."""
    return data.startswith(b"{") and data.count(b"\n{") == data.count(b"\n") - 1


def _objects(part: Slice, poison: list[tuple[Slice, str]]) -> list[Slice]:
    """Cut a slice where a line is no JSON object at all.

    Returns:
        What is left, the earliest part last; by halves when every line is one. The others go to ``poison``.
    """
    parts: list[Slice] = []
    run: list[Slice] = []
    lines = _lines(part)
    for line in lines:
        if _is_object(line.data):
            run.append(line)
            continue
        poison.append((line, "no JSON object"))
        if run:
            parts.append(_joined(run))
        run = []
    if len(run) == len(lines) > 1:
        return _halves(part)
    if run:
        parts.append(_joined(run))
    return parts[::-1]


def _joined(run: list[Slice]) -> Slice:
    return Slice(run[0].start, run[-1].end, b"".join(line.data for line in run))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
