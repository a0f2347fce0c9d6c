"""Runs a request's coroutine without a task for as long as it waits for nothing but its provider.

A task costs its making, two turns of the loop and a wake-up: a tenth of what a whole call costs. The pipeline mostly
waits for one thing, the provider's answer, as a :class:`~gateway.core.signal.Signal`, and whoever brings the answer
carries the coroutine on at once. When it waits for anything else, an ordinary task takes over where it stands.

Until then ``asyncio.current_task()`` is ``None``: what needs one (``asyncio.timeout``) must run in a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.carried import Carried
from gateway.core.signal import Signal

if TYPE_CHECKING:
    from gateway.carried import Work


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

    def cancel(self, reason: BaseException | None = None) -> None:
        """Stop the work at its wait, with ``CancelledError``. Idempotent; safe from anywhere but the work itself.

        Args:
            reason: The argument of the ``CancelledError``, for a work that can tell its client why.
        """
        if self._task is not None:
            self._task.cancel(reason)
        elif self._signal is not None:
            self._signal.waiter = None
            self._signal = None
            self._step(asyncio.CancelledError(*([reason] if reason is not None else [])))

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
            self._task = self._loop.create_task(self._as_task(Carried(work, waited, self._loop)))
            self._task.add_done_callback(self._after_task)

    def _wake(self) -> None:
        self._signal = None
        self._step(None)

    async def _as_task(self, carried: Carried) -> None:
        await carried

    def _after_task(self, task: asyncio.Task[None]) -> None:
        self._task = None
        work = self._work
        if work is None or work.cr_frame is None:
            self._end()
        else:
            # Cancelled before its first step: the work has not heard of it yet.
            self._step(asyncio.CancelledError())

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self._work = None
        self._done(self)
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
