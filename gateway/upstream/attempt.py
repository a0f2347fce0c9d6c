"""One try at a provider: the sink that takes its answer and passes a stream on as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from gateway.core.errors import GatewayError, InvalidAnswer
from gateway.core.exchange import Headers
from gateway.core.ports import Reply, StreamReader
from gateway.wire.content_coding import ContentDecoder

MAX_WHOLE_BYTES = 64 * 1024 * 1024
# An error answer is small; what is longer is not worth waiting for.
MAX_ERROR_BYTES = 1024 * 1024


class Call(Protocol):
    """A provider's answer on its way; transports return it from ``send``."""

    def cancel(self) -> None:
        """Stop; nothing more reaches the sink."""
        ...

    def pause(self) -> None:
        """Send no more for now."""
        ...

    def resume(self) -> None:
        """Send on."""
        ...


class Attempt:
    """Takes one answer: whole ones are gathered, streams go event by event to the client.

    Args:
        reply: The client.
        reader: Makes the dialect's stream reader when the answer turns out to be a stream.
        opaque: Relay also what is neither events nor JSON (audio, files), as it comes.
        head: Gives the header lines for the client from the provider's headers, when the first event is in.
        now_ns: Monotonic clock.
    """

    __slots__ = (
        "_decoder",
        "_future",
        "_head",
        "_limit",
        "_make_reader",
        "_now_ns",
        "_opaque",
        "_parts",
        "_reply",
        "_size",
        "answered_ns",
        "call",
        "ended_ns",
        "first_ns",
        "headers",
        "out_bytes",
        "reader",
        "sent_ns",
        "status",
    )

    def __init__(
        self,
        reply: Reply,
        reader: Callable[[], StreamReader] | None,
        head: Callable[[int, Headers], bytes],
        now_ns: Callable[[], int],
        *,
        opaque: bool = False,
    ) -> None:
        self._opaque = opaque
        self._reply = reply
        self._make_reader = reader
        self._head = head
        self._now_ns = now_ns
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = MAX_WHOLE_BYTES
        self._decoder: ContentDecoder | None = None
        self.call: Call | None = None
        self.reader: StreamReader | None = None
        self.status = 0
        self.headers: Headers = {}
        self.out_bytes = 0
        # Monotonic: request sent, first byte of the answer, first byte that the client may see, answer whole.
        self.sent_ns = now_ns()
        self.answered_ns = 0
        self.first_ns = 0
        self.ended_ns = 0

    async def outcome(self) -> None:
        """Wait until the answer is whole, or a stream's own end was seen.

        Raises:
            GatewayError: The attempt failed; :attr:`started` tells whether the client has seen a part of it.
        """
        try:
            await self._future
        finally:
            if not self.ended_ns and self.call is not None:
                # Our own task was cancelled: the client is gone, so the provider need not go on.
                self.call.cancel()

    @property
    def body(self) -> bytes:
        """The whole answer's body, content coding removed."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    # --- AnswerSink

    def on_head(self, status: int, headers: Headers) -> None:
        """Decide between a stream and a whole answer."""
        self.status = status
        self.headers = headers
        self.answered_ns = self._now_ns()
        coding = headers.pop(b"content-encoding", b"identity")
        try:
            if coding != b"identity":
                self._decoder = ContentDecoder(coding)
            if status >= 400:
                self._limit = MAX_ERROR_BYTES
            elif self._make_reader is not None and self._streams(headers.get(b"content-type", b"")):
                self.reader = self._make_reader()
                if self.call is not None:
                    self._reply.on_flow(self.call.pause, self.call.resume)
        except GatewayError as error:
            self._fail(error)

    def on_data(self, data: bytes) -> None:
        """Pass a stream's bytes on, or gather a whole answer's."""
        if self.ended_ns:
            return
        try:
            if self._decoder is not None:
                data = self._decoder.feed(data)
            if self.reader is not None:
                self._relay(self.reader, data)
            else:
                self._gather(data)
        except GatewayError as error:
            self._fail(error)

    def on_end(self) -> None:
        """The provider's answer is whole."""
        self._end(None)

    def on_fail(self, error: GatewayError) -> None:
        """No more will come."""
        self._end(error)

    def _streams(self, content_type: bytes) -> bool:
        if content_type.startswith(b"text/event-stream"):
            return True
        return self._opaque and b"json" not in content_type

    def _relay(self, reader: StreamReader, data: bytes) -> None:
        out = reader.feed(data)
        if out:
            if not self.first_ns:
                self.first_ns = self._now_ns()
                self._reply.start(self.status, self._head(self.status, self.headers))
            self.out_bytes += len(out)
            self._reply.write(out)
        if reader.done:
            self._end(None)

    def _gather(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise InvalidAnswer(f"The provider's answer is larger than {self._limit} bytes.")
        self._parts.append(data)

    def _fail(self, error: GatewayError) -> None:
        if self.call is not None:
            self.call.cancel()
        self._end(error)

    def _end(self, error: GatewayError | None) -> None:
        if self.ended_ns:
            return
        self.ended_ns = self._now_ns()
        if self._future.done():
            return
        if error is None:
            self._future.set_result(None)
        else:
            self._future.set_exception(error)
