"""What waits its turn in a stream under response guards: calls of tools until they are whole, and all behind them.

Half a call is of no use to a client, and the clients count blocks in the order in which they begin: so a call leaves in
one piece, and nothing that came after it leaves before.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from gateway.core.errors import InvalidAnswer

MAX_HELD_BYTES = 4_194_304


class Told:
    """An event on its way to the client."""

    __slots__ = ("data", "document", "name")

    def __init__(self, name: str, data: bytes, document: dict[str, Any]) -> None:
        self.name = name
        self.data = data
        self.document = document


class HeldCall:
    """A call that is not whole yet.

    Attributes:
        start: The event that began it.
        name: Of the tool, as the provider said it.
        pieces: Of its input.
        raws: The events that brought them.
        others: What else came of it.
        ready: Its events as the client gets them; ``None`` until it is whole.
    """

    __slots__ = ("name", "others", "pieces", "raws", "ready", "start")

    def __init__(self, start: Told) -> None:
        self.start = start
        self.name = ""
        self.pieces: list[str] = []
        self.raws: list[Told] = []
        self.others: list[Told] = []
        self.ready: list[Told] | None = None


class Queue:
    """Events in the order in which they leave."""

    __slots__ = ("_held", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Told | HeldCall] = deque()
        self._held = 0

    def hold(self, call: HeldCall) -> None:
        """Let everything wait for a call."""
        self._waiting.append(call)

    def add(self, told: Told) -> list[Told]:
        """Take an event and return those that may leave now."""
        if not self._waiting:
            return [told]
        self.count(len(told.data))
        self._waiting.append(told)
        return []

    def count(self, size: int) -> None:
        """Count bytes that wait.

        Raises:
            InvalidAnswer: They are too many.
        """
        self._held += size
        if self._held > MAX_HELD_BYTES:
            raise InvalidAnswer(f"The provider sent calls of tools larger than {MAX_HELD_BYTES} bytes.")

    def drain(self) -> list[Told]:
        """Return what waits for nothing any more."""
        left: list[Told] = []
        waiting = self._waiting
        while waiting:
            first = waiting[0]
            if isinstance(first, HeldCall):
                if first.ready is None:
                    break
                left += first.ready
            else:
                left.append(first)
            waiting.popleft()
        if not waiting:
            self._held = 0
        return left
