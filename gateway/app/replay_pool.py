"""Replays recorded calls in several processes at once; with one, in this one.

Processes are forked when both bundles are loaded and their tests have passed, and before any model is: what was loaded
is shared, and each loads its own models. A session's calls go to one process, in their order, where rules ask what
happened in it before.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any
from zlib import crc32

import msgspec

from gateway.app.policies import InForce
from gateway.app.replay_tally import Tally
from gateway.app.replaying import LeftOut, Replay, Terms, opened

BATCH = 100
_END = b""

Progress = Callable[[int], None]


class ReplayBroke(Exception):
    """A process of a replay has ended in the middle of it."""


class Replayed(msgspec.Struct):
    """What a replay found.

    Attributes:
        tally: As said.
        left_out: Rules that could not be replayed.
    """

    tally: Tally
    left_out: tuple[LeftOut, ...] = ()


class _Session(msgspec.Struct):
    tenant: str = ""
    session_id: str = ""


class _Worker(msgspec.Struct):
    """One process, and the lines that wait for it."""

    process: BaseProcess
    pipe: Connection
    waiting: list[bytes] = []
    busy: int = 0


def replay(lines: Iterable[bytes], old: InForce, new: InForce, terms: Terms, jobs: int, progress: Progress) -> Replayed:
    """Replay recorded calls.

    Args:
        lines: One call each, oldest first.
        old: The bundle to compare with.
        new: The changed one.
        terms: How.
        jobs: Processes.
        progress: Told how many calls more were replayed.

    Raises:
        ReplayBroke: A process has died.
    """
    if jobs == 1:
        return asyncio.run(_here(lines, old, new, terms, progress))
    pool = _Pool(old, new, terms, jobs, progress)
    try:
        return pool.run(lines)
    finally:
        pool.close()


async def _here(lines: Iterable[bytes], old: InForce, new: InForce, terms: Terms, progress: Progress) -> Replayed:
    tally = Tally()
    async with opened(old, new, terms) as ready:
        for batch in _batches(lines):
            tally.add(await _taken(ready, batch), terms.samples)
            progress(len(batch))
        return Replayed(tally, ready.left_out)


async def _taken(ready: Replay, batch: Iterable[bytes]) -> Tally:
    for line in batch:
        await ready.take(line)
    return ready.taken()


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class _Pool:
    def __init__(self, old: InForce, new: InForce, terms: Terms, jobs: int, progress: Progress) -> None:
        self._terms = terms
        self._progress = progress
        self._by_session = old.engine.asks_taint or new.engine.asks_taint
        self._found = Replayed(Tally())
        self._next = 0
        context: Any = get_context("fork")
        self._workers: list[_Worker] = []
        for _ in range(jobs):
            ours, theirs = context.Pipe()
            held = [worker.pipe for worker in self._workers] + [ours]
            process = context.Process(target=_work, args=(theirs, held, old, new, terms), daemon=True)
            process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours))

    def run(self, lines: Iterable[bytes]) -> Replayed:
        for line in lines:
            worker = self._worker(line)
            worker.waiting.append(line)
            if len(worker.waiting) >= BATCH:
                self._send(worker)
        for worker in self._workers:
            if worker.waiting:
                self._send(worker)
        while any(worker.busy for worker in self._workers):
            self._hear()
        return self._found

    def close(self) -> None:
        for worker in self._workers:
            with suppress(OSError):
                worker.pipe.send_bytes(_END)
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def _worker(self, line: bytes) -> _Worker:
        if self._by_session:
            with suppress(msgspec.DecodeError):
                said = msgspec.json.decode(line, type=_Session)
                whose = f"{said.tenant}\0{said.session_id}" if said.session_id else ""
                if whose:
                    return self._workers[crc32(whose.encode("utf-8", "replace")) % len(self._workers)]
        worker = self._workers[self._next]
        if len(worker.waiting) + 1 >= BATCH:
            self._next = (self._next + 1) % len(self._workers)
        return worker

    def _send(self, worker: _Worker) -> None:
        """Give a process its lines, once it has done what it was given before."""
        while worker.busy:
            self._hear()
        try:
            worker.pipe.send_bytes(msgspec.msgpack.encode(worker.waiting))
        except OSError:
            raise ReplayBroke("a process of the replay has died") from None
        worker.busy, worker.waiting = len(worker.waiting), []

    def _hear(self) -> None:
        ready = wait([worker.pipe for worker in self._workers if worker.busy])
        for worker in self._workers:
            if worker.pipe in ready:
                try:
                    said = msgspec.msgpack.decode(worker.pipe.recv_bytes(), type=Replayed)
                except (EOFError, OSError):
                    raise ReplayBroke("a process of the replay has died") from None
                self._found.tally.add(said.tally, self._terms.samples)
                self._found.left_out = said.left_out
                self._progress(worker.busy)
                worker.busy = 0


def _work(pipe: Connection, held: list[Connection], old: InForce, new: InForce, terms: Terms) -> None:
    """Be one process: what others are spoken to by is closed here, so that each hears when its own end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for each in held:
        each.close()
    with suppress(EOFError, OSError):
        asyncio.run(_serve(pipe, old, new, terms))


async def _serve(pipe: Connection, old: InForce, new: InForce, terms: Terms) -> None:
    async with opened(old, new, terms) as ready:
        while data := pipe.recv_bytes():
            tally = await _taken(ready, msgspec.msgpack.decode(data, type=list[bytes]))
            pipe.send_bytes(msgspec.msgpack.encode(Replayed(tally, ready.left_out)))
