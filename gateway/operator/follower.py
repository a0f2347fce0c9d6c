"""Reads the spool along with the shipper, for whoever wants to see each line once and soon, whatever the store does.

Segments are held open, so that their last lines can be read after the shipper has deleted them. How far each was read
is written down each second: after a crash a second's lines come again, and none is left out. A reader that falls far
behind skips lines and counts them, since deleted segments take room on the disk for as long as they are open.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.clients.clock import Clock
from gateway.recording.segment import SegmentName, list_segments, read_slice

SLICE_BYTES = 1 << 20
SLICE_LINES = 2_000
TAKE_BYTES = 4 << 20
# A longer line, with bodies beyond all measure, is passed over.
LINE_BYTES = 16 << 20
MAX_BEHIND_BYTES = 256 << 20
MAX_OPEN = 256
_KEEP_NS = 1_000_000_000


class _Open:
    __slots__ = ("at", "fd")

    def __init__(self, fd: int, at: int) -> None:
        self.fd = fd
        self.at = at


class Follower:
    """Follows one spool. Blocks on the disk: call it away from the loop, by one thread at a time.

    Args:
        directory: The spool.
        offsets: The file that says how far each segment was read.
        clock: Says when to write it.

    Attributes:
        skipped_lines: Lines that nobody has seen, since reading fell too far behind.
        behind_bytes: What is still to be read.
    """

    def __init__(self, directory: Path, offsets: Path, clock: Clock, max_behind_bytes: int = MAX_BEHIND_BYTES) -> None:
        self.skipped_lines = 0
        self.behind_bytes = 0
        self._directory = directory
        self._file = offsets
        self._clock = clock
        self._max_behind_bytes = max_behind_bytes
        self._open: dict[SegmentName, _Open] = {}
        # Read to their ends, and there as yet.
        self._done: dict[SegmentName, int] = {}
        self._kept = _read_offsets(offsets)
        self._kept_ns = clock.monotonic_ns()
        self._moved = False

    def take(self) -> list[bytes]:
        """Read on.

        Returns:
            Whole lines, one behind the other, of as many segments as have any; none when all were seen.
        """
        there = list_segments(self._directory)
        present = set(there)
        self._look(there)
        self._catch_up()
        last = {name.writer: name for name in there}
        taken: list[bytes] = []
        size = 0
        for name, segment in list(self._open.items()):
            data = self._read(segment)
            if data:
                taken.append(data)
                size += len(data)
                if size >= TAKE_BYTES:
                    break
            elif data is None and last.get(name.writer) != name:
                # Its writer has gone on to another, or it was deleted: no more will come.
                self._put_away(name, there=name in present)
        if self._moved and self._clock.monotonic_ns() - self._kept_ns >= _KEEP_NS:
            self.keep()
        return taken

    def keep(self) -> None:
        """Write down how far each segment was read."""
        offsets = {str(name): segment.at for name, segment in self._open.items()}
        offsets |= {str(name): at for name, at in self._done.items()}
        draft = self._file.with_suffix(".new")
        with suppress(OSError):
            draft.write_bytes(msgspec.json.encode(offsets))
            draft.replace(self._file)
        self._kept_ns, self._moved = self._clock.monotonic_ns(), False

    def close(self) -> None:
        """Write it down a last time and let go of everything."""
        self.keep()
        for segment in self._open.values():
            os.close(segment.fd)
        self._open.clear()

    def _look(self, there: list[SegmentName]) -> None:
        present = set(there)
        self._done = {name: at for name, at in self._done.items() if name in present}
        for name in there:
            if name in self._open or len(self._open) >= MAX_OPEN:
                continue
            path = self._directory / str(name)
            with suppress(FileNotFoundError):
                # A writer that was replaced may have had a last line.
                if name in self._done and path.stat().st_size == self._done[name]:
                    continue
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                self._open[name] = _Open(fd, self._done.pop(name, self._kept.pop(str(name), 0)))

    def _read(self, segment: _Open) -> bytes | None:
        """The next lines; empty where they were passed over, ``None`` where there are none."""
        piece = read_slice(
            segment.fd, segment.at, max_bytes=SLICE_BYTES, max_lines=SLICE_LINES, max_line_bytes=LINE_BYTES
        )
        if piece is None:
            return None
        segment.at, self._moved = piece.end, True
        self.skipped_lines += not piece.data
        return piece.data

    def _catch_up(self) -> None:
        """Skip the oldest where there is too much to read."""
        sizes = {name: os.fstat(segment.fd).st_size - segment.at for name, segment in self._open.items()}
        behind = sum(sizes.values())
        for name in sorted(sizes):
            if behind <= self._max_behind_bytes:
                break
            behind -= self._skip(self._open[name])
        self.behind_bytes = behind

    def _skip(self, segment: _Open) -> int:
        began = segment.at
        while piece := os.pread(segment.fd, SLICE_BYTES, segment.at):
            end = piece.rfind(b"\n") + 1
            if not end:
                # A line longer than that: its end is found by who reads lines.
                break
            self.skipped_lines += piece.count(b"\n", 0, end)
            segment.at += end
        self._moved = True
        return segment.at - began

    def _put_away(self, name: SegmentName, *, there: bool) -> None:
        segment = self._open.pop(name)
        os.close(segment.fd)
        if there:
            self._done[name] = segment.at


def _read_offsets(file: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
