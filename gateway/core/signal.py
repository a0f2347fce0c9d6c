"""A wait that is ended by a plain call: what a coroutine waits for while it waits for its provider only."""

from __future__ import annotations

from collections.abc import Callable, Generator


class Signal:
    """Fires once; whoever awaits it goes on inside :meth:`fire`, without a turn of any loop.

    Attributes:
        waiter: Set by whoever runs the waiting coroutine; called when the signal fires.
    """

    __slots__ = ("error", "fired", "waiter")

    def __init__(self) -> None:
        self.fired = False
        self.error: BaseException | None = None
        self.waiter: Callable[[], None] | None = None

    def fire(self, error: BaseException | None = None) -> None:
        """End the wait, with an error when there is one. Only the first call counts."""
        if self.fired:
            return
        self.fired = True
        self.error = error
        waiter, self.waiter = self.waiter, None
        if waiter is not None:
            waiter()

    def taken(self) -> BaseException:
        """Hand the error over, so that nothing holds it, and with it the frames it passed, any longer."""
        error, self.error = self.error, None
        return error if error is not None else AssertionError("the signal has no error")

    def __await__(self) -> Generator[Signal, None, None]:
        if not self.fired:
            yield self
        if self.error is not None:
            raise self.taken()
