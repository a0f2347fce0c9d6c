"""One try at a provider: the sink that takes its answer and passes a stream on as it arrives."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Literal, Protocol

from gateway.core.call import Call
from gateway.core.errors import GatewayError, InvalidAnswer
from gateway.core.exchange import Headers, Request
from gateway.core.ports import StreamReader
from gateway.core.signal import Signal
from gateway.wire.aws_eventstream import MEDIA_TYPE
from gateway.wire.content_coding import ContentDecoder
from gateway.wire.own_keys import without_own

MAX_WHOLE_BYTES = 64 * 1024 * 1024
# A stream that is judged whole is held in memory until then.
MAX_HELD_BYTES = 8 * 1024 * 1024
# An error answer is small; what is longer is not worth waiting for.
MAX_ERROR_BYTES = 1024 * 1024
_JSON = b"application/json"
# Of a stream of which rules may hold something back, so much is kept to count what it used.
MAX_COUNTED_BYTES = 262_144
Gather = Literal["", "count", "watch", "hold"]
_NONE: Headers = {}
# Whom a stream can be made to wait for.
CLIENT, _JUDGES = "client", "judges"


class Running(Protocol):
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
        call: The exchange; its dialect reads the answer, its client gets it.
        head: Gives the header lines for the client, when the first event is in.
        now_ns: Monotonic clock.
        opaque: Relay also what is neither events nor JSON (audio, files), as it comes.
        gather: What of a stream is kept here as it came: nothing, its beginning to count what it used, all of it while
            it is passed on, or all of it instead of passing it on.

    Attributes:
        received: A whole answer's body, or what is kept of a stream, piece by piece.
    """

    __slots__ = (
        "_call", "_clauses", "_decoder", "_gather", "_limit", "_now_ns", "_opaque", "_size", "_slow", "answered_ns",
        "block", "ended_ns", "first_ns", "head", "headers", "out_bytes", "over", "reader", "received", "running",
        "sent_ns", "status",
    )  # fmt: skip

    def __init__(
        self,
        call: Call,
        head: Callable[[Call], bytes],
        now_ns: Callable[[], int],
        *,
        opaque: bool = False,
        gather: Gather = "",
    ) -> None:
        self._call: Call | None = call
        self.head = head
        self._now_ns = now_ns
        self._opaque = opaque
        self._gather = gather
        # Who judges a stream by clause; who wants it to wait.
        self._clauses = call.clauses
        self._slow: set[str] = set()
        self.over = Signal()
        self.received: list[bytes] = []
        self._size = 0
        self._limit = MAX_WHOLE_BYTES
        self._decoder: ContentDecoder | None = None
        self.running: Running | None = None
        self.reader: StreamReader | None = None
        self.headers: Headers = _NONE
        # The headers as the client's, where that was known without asking.
        self.block: bytes | None = None
        # Monotonic: request sent, first byte of the answer, first byte that the client may see, answer whole.
        self.sent_ns = now_ns()
        self.status = self.out_bytes = self.answered_ns = self.first_ns = self.ended_ns = 0

    def __await__(self) -> Generator[Signal, None, None]:
        """Wait until the answer is whole, or a stream's own end was seen.

        Raises:
            GatewayError: The attempt failed; :attr:`started` tells whether the client has seen a part of it.
        """
        try:
            over = self.over
            if not over.fired:
                yield over
            if over.error is not None:
                raise over.taken()
        finally:
            # Whoever holds the exchange holds the attempt; letting go here leaves no ring for the collector.
            self._call = None
            if not self.ended_ns and self.running is not None:
                # Our own task was cancelled: the client is gone, so the provider need not go on.
                self.running.cancel()

    def abandon(self) -> None:
        """Stop, since nobody wants the answer any more; who wanted to be called is not."""
        self._call = self.over.waiter = None
        self._fail(None)

    @property
    def body(self) -> bytes:
        """The whole answer's body, content coding removed."""
        return self.received[0] if len(self.received) == 1 else b"".join(self.received)

    @property
    def gathered(self) -> bytes | None:
        """A stream as it came, as far as it was to be kept; ``None`` when it was too long for that."""
        return b"".join(self.received) if self._size <= MAX_HELD_BYTES else None

    @property
    def slow(self) -> set[str]:
        """Who has made the provider wait."""
        return self._slow

    @property
    def held(self) -> bool:
        """Whether a stream is kept here and its client has seen nothing of it."""
        return self._gather == "hold"

    def shown(self, reader: StreamReader, size: int) -> None:
        """Take the reader by which a stream that was held went to its client after all."""
        self._gather = ""
        self.reader = reader
        self.first_ns = self._now_ns()
        self.out_bytes += size

    # --- AnswerSink

    def on_head(self, status: int, headers: Headers) -> None:
        """Decide between a stream and a whole answer."""
        self.status = status
        self.headers = headers
        self.answered_ns = self._now_ns()
        kind = headers.get(b"content-type", b"")
        try:
            if b"content-encoding" in headers and (coding := headers.pop(b"content-encoding")) != b"identity":
                self._decoder = ContentDecoder(coding)
            if status >= 400:
                self._limit = MAX_ERROR_BYTES
            elif kind != _JSON and _streams(kind, self._call, opaque=self._opaque):
                self._open_stream()
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
                self._keep(data)
        except GatewayError as error:
            self._fail(error)

    def on_end(self) -> None:
        """The provider's answer is whole, unless its coding was cut short."""
        if self._decoder is not None and not self.ended_ns:
            try:
                self._decoder.finish()
            except GatewayError as error:
                self._end(error)
        self._end(None)

    def on_whole(self, status: int, headers: Headers, block: bytes, body: bytes) -> None:
        """Take an answer that came in one piece; mostly there is nothing to decide about it."""
        plain = status < 400 and b"content-encoding" not in headers and headers.get(b"content-type") == _JSON
        if plain and len(body) <= MAX_WHOLE_BYTES:
            self.status, self.headers, self.block = status, headers, block
            self.received = [body]
            self.answered_ns = self._now_ns()
            self._end(None)
            return
        self.on_head(status, headers.copy())
        if body:
            self.on_data(body)
        self.on_end()

    def on_fail(self, error: GatewayError) -> None:
        """No more will come."""
        self._end(error)

    def _open_stream(self) -> None:
        call = self._call
        if call is not None and call.request is not None:
            # What is held is read here only to know its end; its guards see it when it is whole.
            self.reader = call.dialect.stream_reader(call.request, None if self._gather == "hold" else call.screen)
            if call.request.stream_type:
                self.headers[b"content-type"] = call.request.stream_type
            self._gather = self._gather or _kept_of(call, call.request)
            self.received = self.received if call.request.keeps is None else call.request.keeps()
            if self._clauses is not None:
                self._clauses.open(self)
            if self.running is not None:
                call.reply.on_flow(partial(self._wait_for, CLIENT), partial(self._go_on, CLIENT))

    def _wait_for(self, whom: str) -> None:
        if self.running is not None:
            if not self._slow:
                self.running.pause()
            self._slow.add(whom)

    def _go_on(self, whom: str) -> None:
        if self.running is not None and whom in self._slow:
            self._slow.remove(whom)
            if not self._slow:
                self.running.resume()

    def _relay(self, reader: StreamReader, data: bytes) -> None:
        if self._gather:
            self._watch(data)
        out = reader.feed(data) if self._clauses is None else self._clauses.take(reader, data)
        if out and self._gather != "hold":
            self.show(out)
        if reader.done:
            self._end(None)

    # --- Flow

    def show(self, data: bytes) -> None:
        """Send the client what it may have now."""
        call = self._call
        if call is None:
            return
        if not self.first_ns:
            self.first_ns = self._now_ns()
            call.reply.start(self.status, self.head(call))
        self.out_bytes += len(data)
        call.reply.write(data)

    def stop(self, error: GatewayError) -> None:
        """End the attempt: whoever judges the stream has turned it back."""
        self._fail(error)

    def wait(self, *, on: bool, whom: str = _JUDGES) -> None:
        """Let the provider wait for the judges, or for the client, or go on."""
        (self._wait_for if on else self._go_on)(whom)

    def _watch(self, data: bytes) -> None:
        """Keep a stream as it came, for those who judge it when it is whole, or count it when it is not."""
        self._size += len(data)
        if self._size <= (MAX_COUNTED_BYTES if self._gather == "count" else MAX_HELD_BYTES):
            self.received.append(data)
        elif self._gather == "hold":
            raise InvalidAnswer(f"A stream that must be judged whole is larger than {MAX_HELD_BYTES} bytes.")

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise InvalidAnswer(f"The provider's answer is larger than {self._limit} bytes.")
        self.received.append(data)

    def _fail(self, error: GatewayError | None) -> None:
        if self.running is not None:
            self.running.cancel()
        self._end(error)

    def _end(self, error: GatewayError | None) -> None:
        if self.ended_ns:
            return
        self.ended_ns = self._now_ns()
        if self.status >= 400 and self._call is not None:
            self.received = _hushed(self._call, self.body)
        running, self.running = self.running, None
        if self._clauses is not None:
            self._clauses.hold_back()
        if running is not None and self._slow:
            # A slow client has paused the provider, whose last bytes are still to be read off the connection.
            running.resume()
        self.over.fire(error)


def _hushed(call: Call, error: bytes) -> list[bytes]:
    """Take our key out of an error: some providers quote the one that they refuse."""
    credential = call.deployment.credential if call.deployment is not None else None
    return [without_own(error, credential) if credential else error]


def _kept_of(call: Call, request: Request) -> Gather:
    """What is kept of a stream that nobody judges whole."""
    if request.keeps is not None or (call.trip is not None and call.trip.continues):
        # Somebody else is given it as well, or goes on with it should it be cut.
        return "watch"
    if call.screen is None:
        return ""
    # What is kept of the call is what was said, whatever becomes of it.
    return "watch" if call.template is not None and call.template.capture == "full" else "count"


def _streams(content_type: bytes, call: Call | None, *, opaque: bool) -> bool:
    if content_type.startswith(b"text/event-stream"):
        return True
    if content_type.startswith(MEDIA_TYPE) and call is not None and call.request is not None:
        # Frames are a stream to who asked for them; to others, a file.
        return opaque or call.request.stream_type == MEDIA_TYPE
    return opaque and b"json" not in content_type
