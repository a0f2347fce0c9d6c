"""The spool's writing side: whole lines, one or many a ``write(2)``, bounded, and never a reason for a call to fail.

The directory holds the segments of all workers. A writer starts a segment of its own and never touches an older one,
so a torn last line of a crash stays the last line of its file. A line that did not fit whole is cut off again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from gateway.clients.clock import Clock
from gateway.recording.segment import SegmentName, list_segments

DEFAULT_SEGMENT_BYTES = 64 << 20
# A segment can be deleted only when it is finished, so a quiet worker finishes one each minute.
ROTATE_AFTER_NS = 60_000_000_000
# Above this share of the limit, lines are written without bodies: first the bodies go, then the lines.
_LEAN_SHARE = 0.875
_MAX_FINISHED = 16


class SpoolWriter:
    """Appends lines to segments of its own in a shared directory.

    Not thread-safe: it belongs to the loop that records. :meth:`run` does the slow parts away from it.

    Args:
        directory: The spool; made when it is not there.
        name: Of the writer, unique in the directory: ``worker-0``.
        clock: Names segments and tells their age.
        max_bytes: The most that all segments of the directory may hold together.
        segment_bytes: A segment is finished when the next line would take it beyond this.
        fsync_s: How often :meth:`run` forces what was written to the disk.

    Attributes:
        dropped_lines: Lines that could not be written at all.
        dropped_bodies: Lines that were written without their bodies.
        untold: Dropped lines that no line in the spool tells of yet.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str,
        clock: Clock,
        max_bytes: int,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        fsync_s: float = 1.0,
    ) -> None:
        self.dropped_lines = 0
        self.dropped_bodies = 0
        self._directory = directory
        self._name = name
        self._clock = clock
        self._max_bytes = max_bytes
        self._lean_bytes = int(max_bytes * _LEAN_SHARE)
        self._segment_bytes = segment_bytes
        self._fsync_s = fsync_s
        self.untold = 0
        self._number = 0
        self._fd = -1
        self._size = 0
        self._opened_ns = 0
        self._unsynced = False
        # The end of the segment is half a line that could not be cut off.
        self._torn = False
        # Finished segments whose last bytes are not on the disk yet; they stay locked until then.
        self._finished: list[int] = []
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._used = 0
        self._rescan()

    @property
    def used_bytes(self) -> int:
        """What the directory holds, as far as this writer knows."""
        return self._used

    def append(self, line: bytes, lean_line: Callable[[], bytes] | None = None) -> bool:
        """Write one line.

        Args:
            line: JSON without a newline.
            lean_line: Gives the same line without its bodies, when it has any.

        Returns:
            Whether the line, or its lean form, is in the spool. What is not has been counted.
        """
        size = len(line) + 1
        limit = self._max_bytes if lean_line is None else self._lean_bytes
        if self._used + size <= limit:
            if self._fd >= 0 and not self._torn and self._size + size <= self._segment_bytes:
                # Nearly every line.
                try:
                    written = os.write(self._fd, line + b"\n")
                except OSError:
                    written = 0
                if written == size:
                    self._size += size
                    self._used += size
                    self._unsynced = True
                    return True
                self._account(written)
            elif self._write(line, size):
                return True
        if lean_line is not None:
            line = lean_line()
            size = len(line) + 1
            if self._used + size <= self._max_bytes and self._write(line, size):
                self.dropped_bodies += 1
                return True
        self.dropped_lines += 1
        self.untold += 1
        return False

    def append_all(self, lines: list[bytes]) -> int:
        """Write many lines at once, where there is room for all of them.

        Returns:
            How many are in the spool now; the others are still to be appended, one by one.
        """
        data = b"\n".join(lines) + b"\n"
        size = len(data)
        if self._fd < 0 or self._torn or self._size + size > self._segment_bytes or self._used + size > self._max_bytes:
            return 0
        try:
            written = os.write(self._fd, data)
        except OSError:
            return 0
        if written == size:
            self._size += size
            self._used += size
            self._unsynced = True
            return len(lines)
        self._account(written)
        # What could not be cut off again is there.
        return data.count(b"\n", 0, written) if self._torn else 0

    def take_dropped(self) -> int:
        """How many lines were dropped since the last call; the next line shall say so."""
        dropped, self.untold = self.untold, 0
        return dropped

    def give_back_dropped(self, dropped: int) -> None:
        """The line that was to tell of these drops was dropped itself."""
        self.untold += dropped

    def tick(self) -> None:
        """Look at the directory again, and finish a segment that has grown old. Call it each second."""
        self._rescan()
        if self._size and self._clock.monotonic_ns() - self._opened_ns >= ROTATE_AFTER_NS:
            self._finish_segment()

    def sync_later(self) -> list[int]:
        """Hand out descriptors of what must be forced to the disk.

        ``os.fsync`` blocks, so the caller does it elsewhere: :func:`sync` does it and closes them.
        """
        due = self._finished
        self._finished = []
        if self._unsynced:
            # A copy, since the segment may be finished while the disk is busy.
            due.append(os.dup(self._fd))
            self._unsynced = False
        return due

    async def run(self) -> None:
        """Rotate, rescan and fsync until cancelled. The disk is waited for in a thread."""
        loop = asyncio.get_running_loop()
        pause_s = min(1.0, self._fsync_s)
        waited_s = 0.0
        while True:
            await self._clock.sleep(pause_s)
            self.tick()
            waited_s += pause_s
            if waited_s >= self._fsync_s and (due := self.sync_later()):
                waited_s = 0.0
                await loop.run_in_executor(None, sync, due)

    def close(self) -> None:
        """Finish the segment and force everything to the disk. Blocks; for the end of the process."""
        self._finish_segment()
        sync(self.sync_later())

    def _write(self, line: bytes, size: int) -> bool:
        if (self._fd < 0 or self._size + size > self._segment_bytes) and not self._next_segment():
            return False
        start = self._size
        data = line + b"\n"
        if self._torn:
            data = b"\n" + data
        try:
            written = os.write(self._fd, data)
        except OSError:
            return False
        if written == len(data):
            self._size = start + written
            self._used += written
            self._unsynced = True
            self._torn = False
            return True
        self._account(written)
        return False

    def _account(self, written: int) -> None:
        """A line did not fit whole: cut what is there of it off again."""
        start = self._size
        self._size = start + written
        self._used += written
        self._unsynced = True
        self._cut_off(start)

    def _cut_off(self, start: int) -> None:
        try:
            os.ftruncate(self._fd, start)
        except OSError:
            self._torn = True
            return
        self._used -= self._size - start
        self._size = start

    def _next_segment(self) -> bool:
        if self._fd >= 0 and not self._size:
            # An empty segment takes even a line that is longer than a segment should be.
            return True
        self._finish_segment()
        while True:
            name = SegmentName(self._clock.unix_ms(), self._number, self._name)
            self._number += 1
            path = self._directory / str(name)
            try:
                fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            except OSError:
                return False
            if _claim(fd):
                break
            os.close(fd)
        self._fd = fd
        self._opened_ns = self._clock.monotonic_ns()
        return True

    def _finish_segment(self) -> None:
        if self._fd >= 0:
            self._finished.append(self._fd)
            if len(self._finished) > _MAX_FINISHED:
                # Nobody calls run(): leave it to the kernel when the oldest reaches the disk.
                os.close(self._finished.pop(0))
        self._fd = -1
        self._size = 0
        self._unsynced = False
        self._torn = False

    def _rescan(self) -> None:
        used = 0
        for name in list_segments(self._directory):
            try:
                used += (self._directory / str(name)).stat().st_size
            except FileNotFoundError:
                continue
        self._used = used


def sync(due: list[int]) -> None:
    """Force descriptors to the disk and close them. Blocks."""
    for fd in due:
        try:
            os.fsync(fd)
        except OSError:
            # The disk refuses; the line is in the page cache and may still be shipped from there.
            continue
        finally:
            os.close(fd)


def _claim(fd: int) -> bool:
    """Lock a fresh segment. False when a reader took it for an abandoned one in the instant before."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return os.fstat(fd).st_nlink > 0
