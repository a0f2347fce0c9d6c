"""Keeps a connection to Redis up for one script, and what was not answered until it is.

::

    down ──connected, worker announced──► up ──too many answers late──► slow
      ▲                                   │ ▲                            │ │
      └──── lost, stuck or refused ───────┘ └──── a beat is in time ─────┘ │
      └────────────────────────── lost, stuck or refused ──────────────────┘

Only ``up`` takes questions that somebody waits for; else whoever asks is told at once. Settlements are taken always,
as many as may wait, and sent again in their order until they are answered; the script sees to it that one that is sent
twice counts once. Redis Cluster is refused: all counters lie in one slot, which one server has.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import cast

import msgspec

from gateway.clients.redis_line import Answer, RedisAccess, RedisFault, RedisLine, command, connect, sound, words_of
from gateway.core.errors import StoreUnavailable
from gateway.core.state_counts import StateCounts

log = logging.getLogger("weighbridge.state")
CONNECT_S = 1.0
BEAT_S = 1.0
SLOW_BEAT_S = 0.1
# A server that has left a question unanswered for so long is asked over another connection.
STUCK_S = 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
# So many answers in a row that come too late, and nobody waits for one any more until a beat is in time.
LATE_IN_A_ROW = 5
# Without a word for so long a worker is dead: its seats are given to others. Its record is kept longer.
DEAD_MS, RECORD_MS = 15_000, 3_600_000
MOST_WAITING = 50_000
CLOSE_S = 2.0
# What the script answers where the worker's record is of another connection, or gone.
_STALE = msgspec.msgpack.encode([-1])
# Faults of a question; all others are the server's state, which another connection may find better.
_OF_QUESTIONS = frozenset(("ERR", "WRONGTYPE"))
_AT_ONCE = frozenset(("NOSCRIPT", "STALE"))
PREFIX = b"{wb}:"
_RECORDS, _WORKERS, _MARK = PREFIX + b"w:", PREFIX + b"workers", PREFIX + b"mark"


@dataclass(frozen=True, slots=True)
class Scripts:
    """What is asked: for a call, to announce a worker, and to leave."""

    call: bytes
    worker: bytes
    leave: bytes

    @property
    def opening(self) -> bytes:
        """How a command for a call begins, after the number of its words."""
        return words_of(b"EVALSHA", _digest(self.call))

    def announcing(self, name: bytes, epoch: int, mark: bytes) -> bytes:
        """The command that says that a worker lives; ``mark`` is for a state that has none."""
        times = (b"%d" % RECORD_MS, b"%d" % DEAD_MS)
        keys = (_RECORDS + name, _WORKERS, _MARK)
        return command(b"EVALSHA", _digest(self.worker), b"3", *keys, b"%d" % epoch, name, *times, mark, _RECORDS)

    def leaving(self, name: bytes) -> bytes:
        """The command of a worker that goes and holds nothing any more."""
        return command(b"EVAL", self.leave, b"2", _RECORDS + name, _WORKERS, name)


class Question:
    """What was asked and not answered.

    Args:
        text: The command without its last word, the epoch.
        told: Gets the answer; ``None`` when there is none in time. Of a settlement, nobody waits for it.
        kept: It is a settlement.
    """

    __slots__ = ("asked_s", "kept", "text", "told")

    def __init__(self, text: bytes, told: Callable[[bytes | None], None] | None, *, kept: bool) -> None:
        self.text = text
        self.told = told
        self.kept = kept
        self.asked_s = 0.0


class RedisLink:
    """One worker's way to the store.

    Args:
        access: To the server.
        scripts: What is asked there.
        name: The worker's, like no other's.
        limit_s: How long a call waits for an answer.
        sleep: Waits for some seconds.
        counts: What came of it.

    Attributes:
        ready: Questions are worth asking.
        mark: The state's: a random one, and when it was made, in microseconds since 1970; empty before it is known.
    """

    def __init__(
        self,
        access: RedisAccess,
        scripts: Scripts,
        name: str,
        *,
        limit_s: float,
        sleep: Callable[[float], Awaitable[None]],
        counts: StateCounts,
    ) -> None:
        self.ready = False
        self.counts = counts
        self._access = access
        self._scripts = scripts
        self._name = name.encode()
        self._limit_s = limit_s
        self._sleep = sleep
        self._line: RedisLine | None = None
        self._over = asyncio.Event()
        self._open: deque[Question] = deque()
        self._timed: deque[Question] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._late_in_a_row = 0
        self._epoch = 0
        self._epoch_word = b""
        self.mark = ""
        self._reason = ""
        self._failed_in_a_row = 0
        self._random = SystemRandom()

    @property
    def record(self) -> bytes:
        """The key of this worker's record."""
        return _RECORDS + self._name

    def ask(self, question: Question) -> bool:
        """Ask on behalf of somebody who waits; false, and nothing more, where that is not worth it."""
        line = self._line
        if not self.ready or line is None or len(self._open) >= MOST_WAITING // 2:
            return False
        question.asked_s = self._loop.time()
        self._open.append(question)
        self._timed.append(question)
        if self._timer is None:
            self._timer = self._loop.call_at(question.asked_s + self._limit_s, self._watch)
        line.ask(question.text + self._epoch_word, self._answered)
        return True

    def settle(self, text: bytes) -> None:
        """Tell what a call has used, now or when the server is back."""
        if len(self._open) >= MOST_WAITING:
            self.counts.dropped += 1
            return
        question = Question(text, None, kept=True)
        question.asked_s = self._loop.time()
        self._open.append(question)
        if self._line is not None:
            self._line.ask(text + self._epoch_word, self._answered)

    def told(self) -> StateCounts:
        """What came of it so far."""
        self.counts.waiting = sum(question.kept for question in self._open)
        return self.counts

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        while True:
            if self._line is None and not await self.start():
                self._failed_in_a_row = min(self._failed_in_a_row + 1, 16)
                pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._failed_in_a_row)
                # Many workers that lost one server do not come back to it together.
                await self._sleep(pause_s * (0.5 + self._random.random() / 2))
            await self._stay()

    async def start(self) -> bool:
        """Connect, once."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connect()
        except TimeoutError:
            self._down("no answer")
        except StoreUnavailable as error:
            self._down(error.public_message)
        return self._line is not None

    async def close(self) -> None:
        """Say goodbye, when all settlements are through or it has taken too long."""
        if self._line is None and self._open:
            await self.start()
        try:
            async with asyncio.timeout(CLOSE_S):
                while self._line is not None and any(question.kept for question in self._open):
                    await self._sleep(0.01)
                if self._line is not None and not self._open:
                    await self._line.answer(self._scripts.leaving(self._name))
        except (TimeoutError, StoreUnavailable):
            self._note("Redis does not answer")
        lost = sum(question.kept for question in self._open)
        if lost:
            log.warning(
                "state: Redis has not taken the settlements of %d calls; what they reserved stays counted", lost
            )
        if self._timer is not None:
            self._timer.cancel()
        # That is nothing to tell anybody.
        self._reason = self._reason or "stopped"
        self._close("stopped")

    async def _connect(self) -> None:
        self._epoch += 1
        self._over.clear()
        # Whoever is told is the line of then, not a later one.
        line = await connect(self._access, self._lost)
        try:
            for script in (self._scripts.call, self._scripts.worker):
                sound(await line.answer(command(b"SCRIPT", b"LOAD", script)))
            _check(await line.answer(command(b"INFO")))
            self._hear(_taken(await line.answer(self._beat())))
        except BaseException:
            line.close("stopped")
            raise
        self._line = line
        self._epoch_word = words_of(b"%d" % self._epoch)
        again, self._open = self._open, deque()
        for question in again:
            # Nobody waits for those any more.
            if question.kept or question.told is not None:
                if question.kept:
                    question.asked_s = self._loop.time()
                self._open.append(question)
                line.ask(question.text + self._epoch_word, self._answered)
        self._up()

    def _beat(self) -> bytes:
        return self._scripts.announcing(self._name, self._epoch, b"%x" % self._random.getrandbits(64))

    def _hear(self, answer: bytes) -> None:
        _, workers, mark = msgspec.msgpack.decode(answer, type=tuple[int, int, str])
        self.counts.workers = max(1, workers)
        if self.mark and mark != self.mark:
            self.counts.emptied += 1
            log.warning("state: Redis has lost what was counted; limits begin anew")
        self.mark = mark

    async def _stay(self) -> None:
        """Show that we live, as long as the line does."""
        while (line := self._line) is not None:
            try:
                async with asyncio.timeout(BEAT_S if self.ready else SLOW_BEAT_S):
                    await self._over.wait()
            except TimeoutError:
                now_s = self._loop.time()
                if self._open and now_s - self._open[0].asked_s > STUCK_S:
                    line.close("stuck")
                else:
                    beat = Question(b"", None, kept=False)
                    beat.asked_s = now_s
                    self._open.append(beat)
                    line.ask(self._beat(), self._beaten)

    def _beaten(self, answer: Answer) -> None:
        question = self._open.popleft()
        if not isinstance(answer, bytes) or answer == _STALE:
            self._close(_why(answer))
            return
        self._hear(answer)
        if not self.ready and self._loop.time() - question.asked_s <= self._limit_s:
            self._up()

    def _answered(self, answer: Answer) -> None:
        question = self._open.popleft()
        if isinstance(answer, bytes) and answer != _STALE:
            told = question.told
            if told is not None:
                question.told = None
                self._late_in_a_row = 0
                told(answer)
            return
        kind = answer.kind if isinstance(answer, RedisFault) else "STALE"
        if kind in _OF_QUESTIONS:
            self._note(_why(answer))
            self.counts.dropped += question.kept
            _tell_nothing(question)
            return
        if question.kept or kind in _AT_ONCE:
            self._open.appendleft(question)
        else:
            _tell_nothing(question)
        self._close(_why(answer))

    def _close(self, reason: str) -> None:
        if self._line is not None:
            self._line.close(reason)

    def _lost(self, reason: str) -> None:
        if self._line is None:
            return
        self._line = None
        self._down(reason)
        self._over.set()

    def _up(self) -> None:
        self.ready = self.counts.connected = True
        self._late_in_a_row = self._failed_in_a_row = 0
        if self._reason:
            log.info("state: Redis answers again")
        self._reason = ""

    def _down(self, reason: str) -> None:
        self.ready = self.counts.connected = False
        self._note(reason)

    def _note(self, reason: str) -> None:
        if not self._reason:
            log.warning("state: %s; limits are decided as on_store_error says", reason.rstrip("."))
        self._reason = reason

    def _watch(self) -> None:
        """Tell those who have waited long enough."""
        self._timer = None
        timed, due_s = self._timed, self._loop.time() - self._limit_s
        while timed:
            question = timed[0]
            if question.told is not None:
                if question.asked_s > due_s:
                    self._timer = self._loop.call_at(question.asked_s + self._limit_s, self._watch)
                    return
                self.counts.late += 1
                self._late_in_a_row += 1
                if self._late_in_a_row >= LATE_IN_A_ROW and self.ready:
                    self._down("Redis is slow")
                _tell_nothing(question)
            timed.popleft()


def _digest(script: bytes) -> bytes:
    """What Redis knows a script by."""
    return hashlib.sha1(script, usedforsecurity=False).hexdigest().encode()


def _taken(answer: Answer) -> bytes:
    """Give what the server said of a worker that it has taken in."""
    if not isinstance(sound(answer), bytes) or answer == _STALE:
        raise StoreUnavailable("Redis knows another worker of this name.")
    return cast("bytes", answer)


def _why(answer: Answer) -> str:
    return f"Redis refuses ({answer.kind})" if isinstance(answer, RedisFault) else "Redis knows us no more"


def _tell_nothing(question: Question) -> None:
    told, question.told = question.told, None
    if told is not None:
        told(None)


def _check(answer: Answer) -> None:
    """Look at what the server says of itself; one that says nothing is taken as it is.

    Raises:
        StoreUnavailable: It is no server that we can count on.
    """
    told = answer if isinstance(answer, bytes) else b""
    said = dict(line.split(b":", 1) for line in told.splitlines() if b":" in line)
    if said.get(b"cluster_enabled") == b"1":
        raise StoreUnavailable("It is a Redis Cluster, which is not supported.")
    if said.get(b"role", b"master") != b"master":
        raise StoreUnavailable("It is a replica, which counts nothing.")
    if said.get(b"maxmemory", b"0") != b"0" and said.get(b"maxmemory_policy", b"noeviction") != b"noeviction":
        log.warning("state: Redis may throw counters away when its memory is full; set maxmemory-policy noeviction")
