"""Runs a request's coroutine without a task for as long as it waits for nothing but its provider.

A task costs its making, two turns of the loop and a wake-up: a tenth of what a whole call costs. The pipeline mostly
waits for one thing, the provider's answer, as a :class:`~gateway.core.signal.Signal`, and whoever brings the answer
carries the coroutine on at once. When it waits for anything else, an ordinary task takes over where it stands.

Until then ``asyncio.current_task()`` is ``None``: what needs one (``asyncio.timeout``) must run in a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from gateway.core.signal import Signal

Work = Coroutine[Any, Any, None]


class Drive:
    """One request under way.

    Args:
        work: Its coroutine. It raises nothing but ``CancelledError``.
        loop: The worker's loop.
        done: Called once, when the coroutine has ended, however it did.
    """

    __slots__ = ("_done", "_loop", "_signal", "_task", "_work", "ended", "waiters")

    def __init__(self, work: Work, loop: asyncio.AbstractEventLoop, done: Callable[[Drive], None]) -> None:
        self._work: Work | None = work
        self._loop = loop
        self._done = done
        self._signal: Signal | None = None
        self._task: asyncio.Task[None] | None = None
        self.ended = False
        self.waiters: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Run up to the first wait."""
        self._step(None)

    def cancel(self) -> None:
        """Stop the work at its wait, with ``CancelledError``. Idempotent; safe from anywhere but the work itself."""
        if self._task is not None:
            self._task.cancel()
        elif self._signal is not None:
            self._signal.waiter = None
            self._signal = None
            self._step(asyncio.CancelledError())

    async def wait(self) -> None:
        """Wait until the work has ended; the work goes on when the waiter is cancelled."""
        if not self.ended:
            waiter = self._loop.create_future()
            self.waiters.append(waiter)
            await waiter

    def _step(self, error: BaseException | None) -> None:
        work = self._work
        if work is None:
            return
        try:
            waited = work.send(None) if error is None else work.throw(error)
        except (StopIteration, asyncio.CancelledError):
            self._end()
            return
        if waited.__class__ is Signal:
            self._signal = waited
            waited.waiter = self._wake
        else:
            self._task = self._loop.create_task(self._as_task(waited))

    def _wake(self) -> None:
        self._signal = None
        self._step(None)

    async def _as_task(self, waited: Any) -> None:
        try:
            await self._rest(waited)
        finally:
            self._end()

    @coroutine
    def _rest(self, waited: Any) -> Generator[Any, Any, None]:
        """Go on inside a task: hand it what the work waits for, one wait after the other."""
        work = self._work
        if work is None:
            return
        error: BaseException | None = None
        while True:
            try:
                if waited.__class__ is Signal:
                    yield from self._bridge(waited)
                else:
                    yield waited
            except asyncio.CancelledError as cancelled:
                error = cancelled
            try:
                waited = work.send(None) if error is None else work.throw(error)
            except StopIteration:
                return
            error = None

    def _bridge(self, signal: Signal) -> Generator[Any, Any, None]:
        """A task cannot wait for a signal; it can wait for a future that the signal resolves."""
        future = self._loop.create_future()
        signal.waiter = lambda: None if future.done() else future.set_result(None)
        yield from future.__await__()

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self._work = None
        self._done(self)
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
