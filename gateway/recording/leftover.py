"""What predecessors left in the spool: read once, at the start, up to where it went then."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.core.recorded import Line
from gateway.recording.segment import list_segments, read_slice

_SLICE_BYTES = 4 << 20
_SLICE_LINES = 20_000
_LINE_BYTES = 64 << 20
_DECODER = msgspec.json.Decoder(Line)


def note(directory: Path) -> dict[str, int]:
    """Say what is there, and how much of it."""
    sizes: dict[str, int] = {}
    for name in list_segments(directory):
        with suppress(FileNotFoundError):
            sizes[str(name)] = (directory / str(name)).stat().st_size
    return sizes


def read_left(directory: Path, noted: Mapping[str, int]) -> Iterator[Line]:
    """Read the whole lines of what was noted, the newest segments first. Blocks.

    A segment that is gone is in the store; a line that is none is left out, here as there.
    """
    for name in reversed(list(noted)):
        with suppress(FileNotFoundError):
            fd = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield from _lines(fd, noted[name])
            finally:
                os.close(fd)


def _lines(fd: int, size: int) -> Iterator[Line]:
    at = 0
    while at < size:
        part = read_slice(fd, at, max_bytes=_SLICE_BYTES, max_lines=_SLICE_LINES, max_line_bytes=_LINE_BYTES)
        if part is None:
            return
        for line in part.data.split(b"\n")[:-1]:
            if at >= size:
                return
            at += len(line) + 1
            with suppress(msgspec.DecodeError):
                yield _DECODER.decode(line)
        at = part.end
