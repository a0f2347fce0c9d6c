"""Streams of ``invoke``: each frame carries an event of the model's own dialect.

A reader of that dialect reads them, and what it gives goes on in frames. A frame whose event is passed on as it came is
passed on as it came itself. What a stream is made of shows in its first frame: some models are asked in a form that is
well known and answer in one that is not.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.errors import GatewayError, StreamBroken
from gateway.core.exchange import AnswerFacts
from gateway.core.ports import StreamMark, StreamReader
from gateway.wire.aws_eventstream import FrameSplitter
from gateway.wire.bedrock_converse.invoke_packing import EVENTS, Packing, chunk, framed, opened

# Given a stream's first document: the reader that takes the place of the first one, or none.
Other = Callable[[bytes], StreamReader | None]


class FramedReader:
    """Reads frames, and lets a reader of what is in them say what leaves.

    Args:
        inner: Reads the events.
        packing: How they stand in frames.
        other: Says who reads the stream instead, where its first document is not in the form that was expected.
    """

    __slots__ = ("_failure", "_other", "_packing", "_splitter", "done", "facts", "inner", "kept", "known")

    def __init__(self, inner: StreamReader, packing: Packing, other: Other | None = None) -> None:
        self.inner = inner
        # The stream is in the form that was expected, as far as it has come.
        self.known = True
        self._other = other
        self._packing = packing
        self.done = False
        self.facts: AnswerFacts = inner.facts
        # As events.
        self.kept: list[bytes] = inner.kept
        self._splitter = FrameSplitter()
        self._failure: GatewayError | None = None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes: see :meth:`gateway.core.ports.StreamReader.feed`."""
        out: list[bytes] = []
        if self.done or self._failure is not None:
            return b""
        try:
            for raw in self._splitter.feed(data):
                out.append(self._frame(raw))
                self.done = self.inner.done
                if self.done:
                    break
        except GatewayError as error:
            self._failure = error
            error.released = b"".join((*out, framed(error.released, self._packing)))
            raise
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self) -> bytes:
        """Take the end of the body: see :meth:`gateway.core.ports.StreamReader.finish`."""
        if self._failure is not None:
            self._failure.released = b""
            raise self._failure
        try:
            if self._splitter.carry and not self.done:
                raise StreamBroken("The provider's stream ended before it was whole.")
            return framed(self.inner.finish(), self._packing)
        except GatewayError as error:
            error.released = framed(error.released, self._packing)
            self._failure = error
            raise

    def mark(self) -> StreamMark:
        """Return this moment: see :meth:`gateway.core.ports.StreamReader.mark`."""
        return self.inner.mark()

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        self.inner.rewind(mark)

    def _frame(self, raw: bytes) -> bytes:
        said = opened(raw)
        if self._other is not None:
            self._choose(self._other(said))
        fed = self._packing.unpacked(said)
        shown = self.inner.feed(fed)
        if not shown:
            return b""
        if self._packing.is_same(shown, fed):
            return raw
        documents = self._packing.packed(shown)
        return b"".join(map(chunk, documents))

    def _choose(self, other: StreamReader | None) -> None:
        self._other = None
        if other is not None:
            self.inner, self.facts, self.kept = other, other.facts, other.kept
            self.known, self._packing = False, EVENTS
