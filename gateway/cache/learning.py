"""Keeps what a worker has learnt over restarts, tells the other workers of the home, and hears from them and people.

The promise itself lives in memory and is asked on the loop; files are read and written beside it. Homes that share a
store tell each other there what their workers have learnt and what people have said. What was learnt is also put there
as a whole, so that a process on another machine that starts with an empty home does not start without any experience.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from pathlib import Path
from typing import Protocol

import msgspec

from gateway.cache.lessons import PEOPLE, Lesson, Place, Pupil, read_lesson, teach
from gateway.cache.semantic import Promising
from gateway.core.cached import AnswerStore, Selector

log = logging.getLogger("weighbridge.cache")
# How often others are heard, and how often what was learnt is written down.
HEAR_S, SAVE_S = 1.0, 30.0
# Lessons that wait to be told; more are kept to ourselves.
MOST_UNTOLD = 256
_STATE = "promise"
# What tells a home from others that share its store.
_HOME_FILE, _HOME_BYTES = "cache.home", 16


class Remembered(Promising, Protocol):
    """A promise that can be written down."""

    def dump(self) -> bytes:
        """All that was learnt."""
        ...

    def load(self, data: bytes) -> bool:
        """Go on from what was learnt; whether it could be read."""
        ...


class Kept(msgspec.Struct, frozen=True):
    """What is written down: all that was learnt, and up to where others were heard, of this home and of others."""

    promise: bytes
    place: Place
    far: str = ""


class Learning:
    """Owns what a worker has learnt.

    Args:
        home: The data home.
        index: The worker's number.
        promise: What learns.
        store: Where answers are, and what was learnt by somebody.
    """

    def __init__(self, home: Path, index: int, promise: Remembered, store: AnswerStore) -> None:
        self._name = f"worker-{index}"
        # One of the workers passes on what people have said.
        self._passes_on = index == 0
        self._home_file = home / _HOME_FILE
        self._home = ""
        self._far = ""
        self._run_dir = home / "run"
        self._path = home / f"cache.promise-{index}.state"
        self._promise = promise
        self._store = store
        self._untold: deque[Lesson] = deque(maxlen=MOST_UNTOLD)
        self._pupil: Pupil | None = None
        self._changed = False
        self._turns = 0

    async def load(self) -> None:
        """Go on from what was learnt before."""
        kept = await asyncio.to_thread(self._read)
        data = kept.promise if kept else await self._store.state_get(_STATE)
        if data and not self._promise.load(data):
            log.warning("cache: what was learnt cannot be read; it is learnt anew")
        self._pupil = await asyncio.to_thread(Pupil, self._run_dir, self._name, kept.place if kept else None)
        self._home = await asyncio.to_thread(_name_of, self._home_file)
        self._far = kept.far if kept and kept.far else (await self._store.told(""))[0]

    def learnt(self, partition: str, chance: float, *, right: bool) -> None:
        """Tell others of a comparison, soon."""
        self._changed = True
        self._untold.append(Lesson(partition=partition, chance=chance, right=right, by=self._name))

    async def turn(self) -> None:
        """Hear and tell, and now and then write down; to be done every :data:`HEAR_S`."""
        await self.exchange()
        self._turns += 1
        if self._turns * HEAR_S >= SAVE_S:
            self._turns = 0
            await self.save()

    async def exchange(self) -> None:
        """Tell others what is new, and learn what is new to us."""
        own, heard = await asyncio.to_thread(self._told_and_heard)
        for lesson in heard:
            self._learn(lesson)
            if lesson.origin and not lesson.right:
                # Somebody said that the answer is wrong: nobody is given it again.
                await self._store.drop(Selector(exchange_id=lesson.origin), dry_run=False)
        if self._home:
            await self._exchange_far(own + [each for each in heard if each.by == PEOPLE and self._passes_on])

    async def _exchange_far(self, ours: list[Lesson]) -> None:
        """Tell other homes, and hear from them. What a person has called wrong is gone from the store they share."""
        for lesson in ours:
            told = msgspec.structs.replace(lesson, by=f"{self._home}/{lesson.by}")
            await self._store.tell(msgspec.json.encode(told))
        self._far, theirs = await self._store.told(self._far)
        for lesson in filter(None, map(read_lesson, theirs)):
            if not lesson.by.startswith(f"{self._home}/"):
                self._learn(lesson)

    def _learn(self, lesson: Lesson) -> None:
        self._changed = True
        if lesson.chance is not None:
            self._promise.note(lesson.partition, lesson.chance, right=lesson.right)

    async def save(self) -> None:
        """Write down what was learnt, where there is something new."""
        if not self._changed or self._pupil is None:
            return
        self._changed = False
        data = self._promise.dump()
        await asyncio.to_thread(self._write, Kept(data, self._pupil.place, self._far))
        await self._store.state_put(_STATE, data)

    async def close(self) -> None:
        """Tell and write down the last of it."""
        await self.exchange()
        await self.save()

    def _told_and_heard(self) -> tuple[list[Lesson], list[Lesson]]:
        told: list[Lesson] = []
        while self._untold:
            told.append(self._untold.popleft())
            teach(self._run_dir, told[-1])
        return told, self._pupil.new() if self._pupil is not None else []

    def _read(self) -> Kept | None:
        try:
            return msgspec.msgpack.decode(self._path.read_bytes(), type=Kept)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def _write(self, kept: Kept) -> None:
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_bytes(msgspec.msgpack.encode(kept))
            draft.replace(self._path)
        except OSError as error:
            log.warning("cache: what was learnt cannot be written down: %s", error.strerror)


def _name_of(file: Path) -> str:
    """Name a home, by a file that all its workers read; empty where there can be none, and it stays for itself."""
    try:
        # Linked into its place whole: whoever sees it can read it.
        draft = file.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(os.urandom(_HOME_BYTES).hex(), encoding="ascii")
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
