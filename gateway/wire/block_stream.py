"""What readers of streams of blocks have in common: the wait for the first words, the open blocks, what is kept.

What says nothing yet (who speaks, signs of life) waits for the first event that does, so that an error in its place can
still be a status. It waits in a small room: a provider that goes on like this is let through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gateway.core.errors import GatewayError, InvalidAnswer
from gateway.core.exchange import AnswerFacts
from gateway.core.ports import StreamMark

KEPT_BYTES = 262_144
MAX_BLOCKS = 4_096
# Events that wait for the first one that says something.
MAX_EARLY = 64


class Splitter(Protocol):
    """Cuts a stream into events."""

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Take the next bytes, and give what is whole now."""
        ...

    def rest(self) -> bytes:
        """Return what never became whole, and forget it."""
        ...


class BlockReader:
    """Subclasses say what becomes of an event.

    Attributes:
        facts, done, kept: See :class:`gateway.core.ports.StreamReader`.
        begun: The client was told of the message.
        told: Blocks that the client was told of, and not of their end.
    """

    __slots__ = ("_cutter", "_early", "_failure", "_opened", "_room", "_stopped", "begun", "done", "facts", "kept",
                 "told")  # fmt: skip

    def __init__(self, cutter: Splitter) -> None:
        self.facts = AnswerFacts()
        self.done = False
        self.kept: list[bytes] = []
        self.begun = False
        self.told: list[int] = []
        self._cutter = cutter
        self._room = KEPT_BYTES
        self._failure: GatewayError | None = None
        # A stop reason was given.
        self._stopped = False
        # What waits for the first event with content; whether that has come.
        self._early: list[bytes] = []
        self._opened = False

    def mark(self) -> StreamMark:
        """Return this moment: whether the client knows of the message, what is kept, and which blocks are open."""
        return int(self.begun), len(self.kept), *self.told

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        self.begun = bool(mark[0])
        del self.kept[mark[1] :]
        self.told = list(mark[2:])
        self._room = -1

    def resume(self, taken: bytes) -> None:
        """Go on after a cut: see :meth:`gateway.core.resumable.Resumable.resume`."""
        self._failure = None
        self._cutter.rest()

    def keep_only(self, taken: bytes) -> None:
        """Forget an event that was cut, which would spoil the next one, where bytes are kept as they came."""
        if len(taken) <= KEPT_BYTES:
            self.kept[:] = [taken]
            self._room = KEPT_BYTES - len(taken)

    def began(self, index: int) -> None:
        """Remember that the client was told of a block.

        Raises:
            InvalidAnswer: Too many are open.
        """
        self.told.append(index)
        if len(self.told) > MAX_BLOCKS:
            raise InvalidAnswer(f"The provider's stream has more than {MAX_BLOCKS} blocks open.")

    def ended(self, index: int) -> None:
        """Remember that the client was told of a block's end."""
        if index in self.told:
            self.told.remove(index)

    def _split(self, data: bytes) -> bytes:
        """Take the next bytes event by event."""
        if self.done or self._failure is not None:
            return b""
        try:
            events = self._cutter.feed(data)
        except GatewayError as error:
            raise self._failed(error, []) from None
        return self._take(events)

    def _take(self, events: Iterable[bytes]) -> bytes:
        out: list[bytes] = []
        try:
            for raw in events:
                out.append(self._event(raw))
                if self.done:
                    break
        except GatewayError as error:
            raise self._failed(error, out) from None
        return out[0] if len(out) == 1 else b"".join(out)

    def _failed(self, error: GatewayError, out: list[bytes]) -> GatewayError:
        error.released = b"".join(out)
        self._failure = error
        return error

    def _again(self) -> None:
        """Raise what the stream failed with, if it did.

        Raises:
            GatewayError: It did. What it released was given away when it was raised first.
        """
        if self._failure is not None:
            self._failure.released = b""
            raise self._failure

    def _wait(self, shown: bytes) -> bytes:
        if self._opened:
            return shown
        self._early.append(shown)
        return self._content(b"") if len(self._early) >= MAX_EARLY else b""

    def _content(self, shown: bytes) -> bytes:
        if self._opened:
            return shown
        self._opened = True
        early, self._early = self._early, []
        return b"".join((*early, shown))

    def _keep(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self.kept.append(data)
        else:
            self._room = -1

    def _event(self, raw: bytes) -> bytes:
        """Say what the client gets of an event."""
        raise NotImplementedError

    def _flush(self) -> bytes:
        """Give what is still held back when the stream is whole."""
        return b""
