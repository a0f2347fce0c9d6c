"""What is left of a coroutine that stands at a wait, so that a task can go on with it."""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from gateway.core.signal import Signal

if TYPE_CHECKING:
    Work = CoroutineType[Any, Any, None]


class Carried:
    """What is left of a coroutine, as something that a task can await: first the wait it stands at, then the rest.

    A task throws what became of a wait into whatever it runs, so that goes on to the coroutine as it comes.
    """

    __slots__ = ("_first", "_loop", "_work")

    def __init__(self, work: Work, waited: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._first = waited
        self._loop = loop

    def __await__(self) -> Carried:
        return self

    def __iter__(self) -> Carried:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on; gives what is waited for next."""
        first, self._first = self._first, None
        return self._known(self._work.send(value) if first is None else first)

    def throw(self, *error: Any) -> Any:
        """Go on with an error."""
        self._first = None
        return self._known(self._work.throw(*error))

    def close(self) -> None:
        """Give up."""
        self._work.close()

    def _known(self, waited: Any) -> Any:
        """A task cannot wait for a signal; it can wait for a future that the signal resolves."""
        if waited.__class__ is not Signal:
            return waited
        if waited.fired:
            # Before the task took its first step.
            return self.send(None)
        future: asyncio.Future[None] = self._loop.create_future()
        waited.waiter = lambda: None if future.done() else future.set_result(None)
        # The first step of awaiting a future gives the future, marked as awaited.
        return next(future.__await__())
