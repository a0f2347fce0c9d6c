"""How far each segment of the spool has been shipped, on disk, so that a killed shipper goes on exactly there.

Two numbers a segment: ``committed`` is where the next slice begins, ``intended`` where the slice ends that may be under
way. The intention is on the disk before the slice is sent: whoever comes after a crash sends the very same bytes under
the very same token, and the store counts them once.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

import msgspec

_ENCODER = msgspec.json.Encoder()


class Progress(msgspec.Struct):
    """Offsets in bytes. No slice is under way when ``intended`` is not beyond ``committed``."""

    committed: int = 0
    intended: int = 0


def read_progress(directory: Path, segment: str) -> Progress:
    """Read the offsets of a segment; zero when it is new.

    Args:
        directory: Where the files lie.
        segment: Its name.

    Raises:
        msgspec.DecodeError: The file holds something else.
    """
    try:
        progress = msgspec.json.decode(_path(directory, segment).read_bytes(), type=Progress)
    except FileNotFoundError:
        progress = Progress()
    with suppress(FileNotFoundError, ValueError):
        done = int(_done_path(directory, segment).read_bytes())
        if done >= max(progress.committed, progress.intended):
            return Progress(done, done)
    return progress


def _path(directory: Path, segment: str) -> Path:
    return directory / f"{segment}.json"


def _done_path(directory: Path, segment: str) -> Path:
    return directory / f"{segment}.done"


class OffsetBook:
    """The offsets of one spool. Blocks on the disk: call it away from the loop.

    Args:
        directory: Where the files lie; made when it is not there.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, Progress] = {}
        self._lock = -1
        self.spool_id = ""

    def claim(self) -> bool:
        """Take the spool for this process; false when another one ships it."""
        if self._lock >= 0:
            return True
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        self._lock = fd
        self._known.clear()
        self.spool_id = self._identity()
        return True

    def release(self) -> None:
        """Let another process have the spool."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def load(self, segment: str) -> Progress:
        """Offsets of a segment; zero when it is new.

        Raises:
            msgspec.DecodeError: Somebody changed the file.
        """
        progress = self._known.get(segment)
        if progress is None:
            progress = self._known[segment] = read_progress(self._directory, segment)
        return progress

    def intend(self, segment: str, end: int) -> None:
        """A slice up to ``end`` is about to be sent. On the disk when this returns."""
        progress = Progress(self.load(segment).committed, end)
        self._write(self._path(segment), _ENCODER.encode(progress), durable=True)
        self._known[segment] = progress

    def commit(self, segment: str, end: int) -> None:
        """The slice up to ``end`` is in the store. Should a crash undo this, it is sent again and counted once."""
        self._write(_done_path(self._directory, segment), b"%d" % end, durable=False)
        self._known[segment] = Progress(end, end)

    def forget(self, segment: str) -> None:
        """The segment is gone."""
        self._known.pop(segment, None)
        # The later note goes last: alone it says that all went well.
        self._path(segment).unlink(missing_ok=True)
        _done_path(self._directory, segment).unlink(missing_ok=True)

    def forget_all_but(self, segments: set[str]) -> None:
        """Remove what a crash left between the end of a segment and the end of its offsets."""
        for path in (*self._directory.glob("*.json"), *self._directory.glob("*.done")):
            if path.stem not in segments:
                self.forget(path.stem)

    def _identity(self) -> str:
        # Two hosts may have a segment of the same name; their slices must not pass for each other in the store.
        path = self._directory / "spool.id"
        try:
            known = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            known = ""
        if not known:
            known = os.urandom(8).hex()
            self._write(path, known.encode(), durable=True)
        return known

    def _path(self, segment: str) -> Path:
        return _path(self._directory, segment)

    def _write(self, path: Path, data: bytes, *, durable: bool) -> None:
        fresh = path.with_name(path.name + ".new")
        fd = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        fresh.replace(path)
        if durable:
            directory = os.open(self._directory, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
