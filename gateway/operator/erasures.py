"""Which subjects were erased: a file in the spool, on the disk before anything is erased, read by whoever ships it.

It says what is still to be done after a crash, and keeps erasing in lines that come late. A subject's own name is in it
only until the store has forgotten it; from then on there is its digest.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.core.erasure import Erasure
from gateway.core.errors import StoreRejected
from gateway.operator.erased_lines import Eraser
from gateway.recording.segment import Slice

FILE = "erasures.json"
MAX_ERASURES = 10_000
# No line waits longer than its row would be kept.
_KEPT_US = 90 * 86_400_000_000


class ErasureBook:
    """The file. Blocks on the disk: call it away from the loop.

    Args:
        spool_dir: Where it lies.

    Attributes:
        between: Held by whoever ships a slice, and by whoever changes what may be shipped.
        eraser: Erases in lines of those who are in it.
    """

    def __init__(self, spool_dir: Path) -> None:
        self.spool_dir = spool_dir
        self._path = spool_dir / FILE
        self.between = asyncio.Lock()
        self._known: list[Erasure] = []
        self.eraser = Eraser(())

    @property
    def pending(self) -> list[Erasure]:
        """What the store has not forgotten yet."""
        return [erasure for erasure in self._known if not erasure.done]

    def left_of(self, piece: Slice) -> Slice:
        """A slice without what would tell of those who were erased; it is as long as it was."""
        if not self.eraser:
            return piece
        return msgspec.structs.replace(piece, data=self.eraser.lines(piece.data)[0])

    def knows(self, erasure_id: str) -> bool:
        """Whether an erasure is in it."""
        return any(erasure.id == erasure_id for erasure in self._known)

    def load(self) -> None:
        """Read it.

        Raises:
            msgspec.DecodeError: Somebody changed the file.
        """
        try:
            self._take(msgspec.json.decode(self._path.read_bytes(), type=list[Erasure]))
        except FileNotFoundError:
            self._take([])

    def add(self, erasures: Sequence[Erasure]) -> None:
        """Note some; they are on the disk when this returns.

        Raises:
            StoreRejected: There are too many.
            OSError: It cannot be written: then nothing may be erased.
        """
        self.load()
        erasures = [each for each in erasures if not self.knows(each.id)]
        newest_us = max((erasure.at_us for erasure in erasures), default=0)
        kept = [each for each in self._known if not each.done or each.at_us > newest_us - _KEPT_US]
        if len(kept) + len(erasures) > MAX_ERASURES:
            raise StoreRejected(f"There are {MAX_ERASURES} erasures of the last 90 days already.")
        self._write([*kept, *erasures])

    def finish(self, erasure: Erasure) -> None:
        """The store has forgotten a subject: so does this, but for its digest."""
        gone = msgspec.structs.replace(erasure, value="", done=True)
        self._write([gone if each.id == erasure.id else each for each in self._known])

    def _take(self, erasures: list[Erasure]) -> None:
        self._known = erasures
        self.eraser = Eraser(erasures)

    def _write(self, erasures: list[Erasure]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_name(self._path.name + ".new")
        fd = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, msgspec.json.encode(erasures))
            os.fsync(fd)
        finally:
            os.close(fd)
        fresh.replace(self._path)
        self._take(erasures)
