"""A stream's reader that another provider can go on feeding when the first one has cut the stream."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Resumable(Protocol):
    """A :class:`gateway.core.ports.StreamReader` whose stream can be gone on with.

    Guards, facts and the numbers of events live in the reader: since it stays the same, the client and the rules see
    one stream.
    """

    def resume(self, taken: bytes) -> None:
        """Forget that the stream was cut, and the event that was not whole.

        Args:
            taken: The whole events so far, as they came.
        """
        ...
