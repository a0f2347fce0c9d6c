"""Calls that others wait for, and that go on for these when their own client has gone.

Who asks first asks for all. While somebody waits for what it brings, its client's leaving ends nothing: the call goes
on in a task of its own, at no client's pace, and is recorded as one whose client has gone, with all that it used. When
the last of those who wait leaves too, it stops there.

    client waits ──leaves, nobody waits──────────────────► cancelled, as any call
         └───────leaves, others wait──► goes on ──► over
                                           └─ all have left ─► cancelled
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from gateway.accounting.ledger import Ledger
from gateway.carried import Carried
from gateway.core.call import Call
from gateway.core.errors import ClientGone, GatewayError
from gateway.core.signal import Signal
from gateway.moves import let_go
from gateway.recording.journal import Journal
from gateway.upstream.attempt import CLIENT, Attempt

if TYPE_CHECKING:
    from gateway.carried import Work

_LEFT = "The client went away."


class Rooms(Protocol):
    """The pipeline, as far as a call without a client needs it."""

    @property
    def ledger(self) -> Ledger:
        """Holds what a call may need."""
        ...

    @property
    def journal(self) -> Journal:
        """Keeps its record."""
        ...

    @property
    def endings(self) -> set[asyncio.Task[None]]:
        """Calls that go on without their client."""
        ...

    async def fail(self, call: Call, error: GatewayError) -> None:
        """End a call that failed."""
        ...


class Led:
    """One call that others may wait for, as something that its own coroutine awaits.

    It stands between the call's work and who runs it, and knows where the work waits. What the work waits for is not
    what its runner waits for, unless that is a signal: so it outlives the runner.

    Args:
        rooms: The pipeline.
        call: Whose client may leave.
        work: What brings the answer.
    """

    __slots__ = ("_loop", "_rooms", "_task", "_waited", "_work", "call", "waiting")

    def __init__(self, rooms: Rooms, call: Call, work: Work) -> None:
        self._rooms = rooms
        self.call = call
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._waited: Any = None
        self._task: asyncio.Task[None] | None = None
        # How many wait for what it brings.
        self.waiting = 0

    def __await__(self) -> Led:
        return self

    def __iter__(self) -> Led:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on; gives what is waited for next."""
        return self._stands(self._work.send(value))

    def throw(self, *error: Any) -> Any:
        """Go on with an error; without the runner, where that is its client's leaving and others wait."""
        if self.waiting and _is_leaving(error):
            self._go_on_alone()
            raise asyncio.CancelledError
        if self._waited is not None and self._waited.__class__ is not Signal:
            self._waited.cancel()
        return self._stands(self._work.throw(*error))

    def close(self) -> None:
        """Give up."""
        self._work.close()

    def left(self) -> None:
        """One of those who waited does so no longer."""
        self.waiting -= 1
        attempt = self.call.attempt
        if not self.waiting and self._task is not None and (attempt is None or not attempt.ended_ns):
            self._task.cancel()

    def _stands(self, waited: Any) -> Any:
        self._waited = waited
        if waited is None or waited.__class__ is Signal:
            return waited
        told: asyncio.Future[None] = self._loop.create_future()
        waited.add_done_callback(_telling(told))
        # The first step of awaiting a future gives the future, marked as awaited.
        return next(told.__await__())

    def _go_on_alone(self) -> None:
        call = self.call
        call.handed_on = call.left = True
        # With a record of its own it is nothing ordinary.
        self._rooms.journal.record(call)
        if isinstance(call.attempt, Attempt):
            # Whoever has gone reads slowly no more.
            call.attempt.wait(on=False, whom=CLIENT)
        rest = Carried(self._work, self._waited, self._loop)
        self._task = task = self._loop.create_task(_to_its_end(self._rooms, call, rest))
        self._rooms.endings.add(task)
        task.add_done_callback(self._rooms.endings.discard)


class Leaders:
    """The calls of a worker that others may wait for, by what they ask."""

    def __init__(self) -> None:
        self._led: dict[bytes, Led] = {}

    def lead(self, key: bytes, rooms: Rooms, call: Call, work: Work) -> Led:
        """Let others wait for a call; gives what the call awaits in place of its work."""
        led = self._led[key] = Led(rooms, call, work)
        return led

    def over(self, key: bytes, call: Call) -> None:
        """It has brought what it could."""
        led = self._led.get(key)
        if led is not None and led.call is call:
            del self._led[key]

    @contextmanager
    def waiting(self, key: bytes) -> Generator[None]:
        """Wait for a call, where one of this worker asks the same; meanwhile it goes on."""
        led = self._led.get(key)
        if led is None:
            yield
            return
        led.waiting += 1
        try:
            yield
        finally:
            led.left()


def _telling(told: asyncio.Future[None]) -> Callable[[Any], None]:
    return lambda _: None if told.done() else told.set_result(None)


async def _to_its_end(rooms: Rooms, call: Call, rest: Carried) -> None:
    try:
        await rest
    except GatewayError as error:
        await rooms.fail(call, error)
    except asyncio.CancelledError:
        if not call.filed:
            await rooms.fail(call, ClientGone(_LEFT))
        raise
    finally:
        let_go(call)
        rooms.ledger.release(call)


def _is_leaving(error: tuple[Any, ...]) -> bool:
    """Whether it is a client's leaving that ends a wait. We leave too, and then there is nobody to go on for."""
    first = error[0]
    if not isinstance(first, asyncio.CancelledError):
        return first is asyncio.CancelledError
    return not (first.args and isinstance(first.args[0], GatewayError))
