"""Keeps the vectors of one process in step with the file of kept answers, which other processes change too.

Graphs that took long to build are written down beside the file, and read back at the start; what they lack, know too
much or have wrong is set right from the file, which holds every vector. For one thread, like all that it uses.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from gateway.clients.answer_file import AnswerFile
from gateway.clients.usearch import FEW, Neighbours, cosine
from gateway.core.cached import CachedAnswer
from gateway.core.cached_bytes import group_of

Found = list[tuple[CachedAnswer, float]]

_GRAPHS, _LOCK = "graphs", "graphs.lock"
_GONE_AT_ONCE = 64
# To take a vector into a graph is a good part of a millisecond: more would be read than a slice of time has room for.
_AT_ONCE = 8


class NeighbourWatch:
    """The vectors, and how far they are in step.

    Args:
        file: The file, as the thread that calls this has it.
        monotonic_s: Tells how long something takes.
        few: So many vectors of a group are compared one by one.
    """

    def __init__(self, file: AnswerFile, monotonic_s: Callable[[], float], few: int = FEW) -> None:
        self._file = file
        self._monotonic_s = monotonic_s
        self._few = few
        self._seen = b""
        self._loaded = False
        self._begin()

    def _begin(self) -> None:
        self._neighbours = Neighbours(self._few)
        # Up to where the file is known; what it had before the graphs were read and they lacked; how much is unsaved.
        self._number = self._at = self._fresh = 0
        self._missing: deque[int] = deque()
        self._file_word = b""

    @property
    def _graphs(self) -> Path:
        return self._file.folder / _GRAPHS

    def __len__(self) -> int:
        return len(self._neighbours)

    def load(self) -> None:
        """Read the graphs that were written down, once.

        Raises:
            StoreUnavailable: The file does not work.
        """
        self._loaded = True
        families: dict[bytes, list[int]] = {}
        at = self._file.gone_until()
        for number, family in self._file.alive():
            families.setdefault(family, []).append(number)
        for path in sorted(self._graphs.glob("*.usearch")):
            family = _family(path)
            if family not in families or not self._neighbours.load(family, path, families[family]):
                path.unlink(missing_ok=True)
        alive = sorted(number for numbers in families.values() for number in numbers)
        self._missing = deque(number for number in alive if number not in self._neighbours)
        self._number = alive[-1] if alive else 0
        self._at, self._file_word = at, self._file.page().file

    def catch_up(self, limit_s: float) -> bool:
        """Take what is new and let go of what is gone, for so long; say whether that was all.

        Raises:
            StoreUnavailable: The file does not work.
        """
        if not self._loaded:
            # Whoever asks before the graphs are read would have them built anew.
            self.load()
        page = self._file.page()
        word = page.put + page.dropped + page.file
        if word == self._seen:
            return True
        if page.file != self._file_word:
            # The numbers of another file are not those that we know.
            self._begin()
            self._at, self._file_word = self._file.gone_until(), page.file
        until_s = self._monotonic_s() + limit_s
        if self._forget() and self._fill(until_s) and self._take(until_s):
            self._seen = word
            return True
        return False

    def _forget(self) -> bool:
        left = self._file.left(self._at, _GONE_AT_ONCE)
        if left is None:
            at = self._file.gone_until()
            for number in self._neighbours.numbers() - {number for number, _ in self._file.alive()}:
                self._neighbours.remove(number)
            self._at = at
            return True
        for at, number in left:
            self._neighbours.remove(number)
            self._at = at
        return len(left) < _GONE_AT_ONCE

    def _fill(self, until_s: float) -> bool:
        """Take what was there before, and what no graph has brought."""
        missing = self._missing
        while missing:
            wanted = list(islice(missing, _AT_ONCE))
            for number, family, vector in self._file.some(wanted):
                self._add(number, family, vector)
                _drop_until(missing, number)
                if self._monotonic_s() >= until_s:
                    return False
            # Some may have gone.
            _drop_until(missing, wanted[-1])
        return True

    def _add(self, number: int, family: bytes, vector: bytes) -> None:
        self._neighbours.add(family, number, vector)
        self._fresh += 1

    def _take(self, until_s: float) -> bool:
        while rows := self._file.newer(self._number, _AT_ONCE):
            for number, family, vector in rows:
                self._add(number, family, vector)
                self._number = number
                if self._monotonic_s() >= until_s:
                    return False
        return True

    def near(self, partition: str, fingerprint: bytes, vector: bytes, most: int) -> Found:
        """Give the nearest that are still there, with their cosines.

        Raises:
            StoreUnavailable: The file does not work.
        """
        numbers = self._neighbours.search(group_of(partition, fingerprint), vector, most)
        found = [
            (answer, cosine(vector, own))
            for answer, own in self._file.answers(numbers)
            if answer.partition == partition and answer.fingerprint == fingerprint
        ]
        return sorted(found, key=lambda each: -each[1])

    def save(self, least: int) -> None:
        """Write the graphs down, where so many entries have come since they were and nobody else does so now."""
        if self._fresh < least:
            return
        self._graphs.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._file.folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            written = set(self._neighbours.save(self._graphs))
            for path in set(self._graphs.iterdir()) - written:
                path.unlink(missing_ok=True)
            self._fresh = 0
        except OSError:
            # They are built again when they are missed.
            return
        finally:
            os.close(fd)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _drop_until(numbers: deque[int], last: int) -> None:
    while numbers and numbers[0] <= last:
        numbers.popleft()


def _family(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.stem)
    except ValueError:
        return b""
