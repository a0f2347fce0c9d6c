"""Segments: the files of the spool, and how whole lines are read from them.

A segment is ``<writer>-<unix ms>-<n>.ndjson``: one JSON document a line, appended by one process that holds an
exclusive ``flock`` on the file for as long as it may write there. Whoever gets that lock knows that no more will come.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

SUFFIX = ".ndjson"
_NAME = re.compile(r"(?P<writer>[A-Za-z0-9_.-]+)-(?P<unix_ms>[0-9]+)-(?P<number>[0-9]+)\.ndjson")


class SegmentName(msgspec.Struct, frozen=True, order=True):
    """The parts of a segment's file name; they sort by age."""

    unix_ms: int
    number: int
    writer: str

    def __str__(self) -> str:
        return f"{self.writer}-{self.unix_ms}-{self.number}{SUFFIX}"


def parse_name(name: str) -> SegmentName | None:
    """Take a file name apart; ``None`` when it is not a segment's."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return SegmentName(int(match["unix_ms"]), int(match["number"]), match["writer"])


def list_segments(directory: Path) -> list[SegmentName]:
    """The segments of a spool, oldest first; none when there is no such directory."""
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(parsed for name in names if (parsed := parse_name(name)) is not None)


class Slice(msgspec.Struct, frozen=True):
    """Whole lines of a segment, ``[start, end)`` in bytes.

    Attributes:
        data: The lines with their newlines; empty when nobody may hold a line that long in memory.
    """

    start: int
    end: int
    data: bytes


def read_slice(fd: int, start: int, *, max_bytes: int, max_lines: int, max_line_bytes: int) -> Slice | None:
    """Read the next whole lines; the same bytes give the same slice.

    Args:
        fd: The segment, open for reading.
        start: Where a line begins.
        max_bytes: Stop before the slice grows beyond this, unless its first line alone does.
        max_lines: Stop after that many lines.
        max_line_bytes: A longer line is passed over: the slice spans it and holds no data.

    Returns:
        The slice, or ``None`` when no whole line lies there yet.
    """
    data = os.pread(fd, max_bytes, start)
    end = data.rfind(b"\n") + 1
    if not end:
        return _long_line(fd, start, data, max_line_bytes)
    if data.count(b"\n", 0, end) > max_lines:
        end = 0
        for _ in range(max_lines):
            end = data.index(b"\n", end) + 1
    return Slice(start, start + end, data[:end])


def read_range(fd: int, start: int, end: int) -> bytes:
    """Read exactly ``[start, end)``; shorter when the file is."""
    parts: list[bytes] = []
    while start < end and (part := os.pread(fd, end - start, start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def _long_line(fd: int, start: int, head: bytes, max_line_bytes: int) -> Slice | None:
    parts = [head]
    size = len(head)
    while part := os.pread(fd, 1 << 20, start + size):
        found = part.find(b"\n") + 1
        size += found or len(part)
        if size <= max_line_bytes:
            parts.append(part[:found] if found else part)
        else:
            parts = []
        if found:
            return Slice(start, start + size, b"".join(parts) if size <= max_line_bytes else b"")
    return None
