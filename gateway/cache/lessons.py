"""What was learnt of answers that were served, or might have been, told from process to process of one data home.

Workers compare answers, and the operator takes people's judgements; both append one line to one file, and every worker
reads what the others have written. No word of a question or an answer is in it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

FILE = "cache.lessons.ndjson"
# Who writes what people have said.
PEOPLE = "people"
# The file begins anew at this size; who reads it has read the old one by then, or reads its end first.
MOST_BYTES = 1 << 20
# A reader that was away for longer takes the newest of it.
MOST_READ = 256 * 1024


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to another question, judged.

    Attributes:
        partition: In which it was found.
        chance: That it serves, as the verifier had it; ``None`` where it was given to the very same question.
        right: It did, or would have.
        by: Which process says so.
        origin: The exchange that brought the answer, where a person has judged it.
    """

    partition: str
    chance: float | None
    right: bool
    by: str
    origin: str = ""


class Place(msgspec.Struct, frozen=True):
    """Up to where somebody has read."""

    inode: int = 0
    offset: int = 0


def teach(run_dir: Path, lesson: Lesson) -> None:
    """Tell all workers of a lesson. What cannot be written is lost: a lesson is worth no trouble."""
    path = run_dir / FILE
    try:
        if path.exists() and path.stat().st_size > MOST_BYTES:
            path.replace(path.with_suffix(".old"))
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, msgspec.json.encode(lesson) + b"\n")
        finally:
            os.close(file)
    except OSError:
        return


class Pupil:
    """Reads what others write.

    Args:
        run_dir: Where the file is.
        name: Lessons by this name are one's own, and known.
        place: Up to where all is known; ``None``: what is there now is.
    """

    def __init__(self, run_dir: Path, name: str, place: Place | None = None) -> None:
        self._path = run_dir / FILE
        self._name = name
        self.place = self._end() if place is None else place

    def new(self) -> list[Lesson]:
        """Return the lessons of others since the last time. Reads a file."""
        lessons: list[Lesson] = []
        # Of a file that was begun anew, its end has not been read yet.
        for path in (self._path.with_suffix(".old"), self._path):
            data, inode = self._rest(path)
            if inode is None:
                continue
            whole = data[: data.rfind(b"\n") + 1]
            self.place = Place(inode, self._start(inode) + len(whole))
            lessons += [
                lesson for line in whole.splitlines() if (lesson := read_lesson(line)) and lesson.by != self._name
            ]
        return lessons

    def _start(self, inode: int) -> int:
        return self.place.offset if inode == self.place.inode else 0

    def _rest(self, path: Path) -> tuple[bytes, int | None]:
        """What a file holds beyond what is known; an old one only counts where it was being read."""
        try:
            with path.open("rb") as file:
                told = os.fstat(file.fileno())
                if path != self._path and told.st_ino != self.place.inode:
                    return b"", None
                start = self._start(told.st_ino)
                if told.st_size - start > MOST_READ:
                    file.seek(told.st_size - MOST_READ)
                    file.readline()
                    self.place = Place(told.st_ino, file.tell())
                else:
                    file.seek(start)
                return file.read(), told.st_ino
        except OSError:
            return b"", None

    def _end(self) -> Place:
        try:
            told = self._path.stat()
        except OSError:
            return Place()
        return Place(told.st_ino, told.st_size)


def read_lesson(line: bytes) -> Lesson | None:
    """Read one; ``None`` where it is none."""
    try:
        return msgspec.json.decode(line, type=Lesson)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
