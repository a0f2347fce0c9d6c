"""The seams between rooms, as protocols over values of ``core``. Who implements one is named in its docstring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

from gateway.core.errors import GatewayError
from gateway.core.exchange import AnswerFacts, Headers, Incoming, Principal, Request
from gateway.core.record import GuardEvent
from gateway.core.segments import Segment
from gateway.core.usage import Usage
from gateway.core.verdict import Action, Screened

# Which text of a stream: the choice's index and what it is, e.g. (0, "text"), (1, "reasoning"), (0, "tool_argument/2");
# and, for a tool's arguments, the tool's name. A name that starts with "reasoning/signed" is of text that its maker may
# sign when it is whole.
Channel = tuple[int, str] | tuple[int, str, str]


class Reply(Protocol):
    """Where an answer goes; the listener's hot and cold sides implement it.

    Exactly one of two lives: ``send`` once; or ``start``, any number of ``write``, then ``finish`` or ``abort``.
    Nothing raises when the client is gone; ``gone`` says so.
    """

    gone: bool
    # ``start`` was called: only the stream's own means can end it now.
    started: bool

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer in one write. ``headers`` are encoded lines, each ending in CRLF, without length."""
        ...

    def start(self, status: int, headers: bytes) -> None:
        """Send the head of an answer whose length is not known."""
        ...

    def write(self, data: bytes) -> None:
        """Send a piece of it; empty pieces are ignored."""
        ...

    def finish(self, tail: bytes) -> None:
        """Send the last piece and end the answer properly."""
        ...

    def abort(self) -> None:
        """Cut the connection, so that nobody takes what was sent for the whole."""
        ...

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Say who must stop and go on sending when the client reads too slowly."""
        ...


class Line(Protocol):
    """A connection on which both ends speak at any time; the listener has one end, a client of providers the other."""

    async def read(self) -> bytes:
        """Give the next bytes; none when the other end is gone."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes. Nothing is raised when the other end is gone."""
        ...

    async def drained(self) -> None:
        """Wait while the other end reads too slowly."""
        ...

    def close(self) -> None:
        """Send what is left and end the connection."""
        ...


class ClientLine(Line, Protocol):
    """A client's :class:`Line`."""

    def on_leaving(self, leave: Callable[[], None]) -> None:
        """Say who must know that the gateway is about to go; told at once when it already is."""
        ...


@runtime_checkable
class Switching(Protocol):
    """A :class:`Reply` that can become a line instead of an answer."""

    def switch(self, headers: bytes) -> ClientLine:
        """Answer that the protocol is another one from here on. ``headers`` are encoded lines, each ending in CRLF."""
        ...


class AnswerSink(Protocol):
    """Who takes a provider's answer as it arrives, inside ``data_received``; nothing here may block or await."""

    def on_head(self, status: int, headers: Headers) -> None:
        """Status and headers are in."""
        ...

    def on_data(self, data: bytes) -> None:
        """A piece of the body, transfer coding removed."""
        ...

    def on_end(self) -> None:
        """The body is whole."""
        ...

    def on_whole(self, status: int, headers: Headers, block: bytes, body: bytes) -> None:
        """All of the above at once, for an answer that came in one piece. ``block``: the headers as the client's."""
        ...

    def on_fail(self, error: GatewayError) -> None:
        """No more will come. Called at most once, and never after ``on_end``."""
        ...


class TextScreen(Protocol):
    """Response guards over one stream; ``guards`` implements it, a dialect's stream reader calls it.

    At every instant the text released on a channel is a prefix of the redacted full text of that channel.
    Both methods raise ``Blocked`` when a rule ends the stream.
    """

    def feed(self, channel: Channel, text: str) -> str:
        """Take more text of a channel and return what may be released now, edits applied."""
        ...

    def finish(self, channel: Channel) -> str:
        """The channel's text is whole: return the rest of it."""
        ...

    def seal(self, channel: Channel) -> None:
        """A signature covers the text of a channel that has ended.

        Raises:
            Blocked: The text was edited, so that the signature would no longer hold.
        """
        ...


# What a reader knew at some moment: how many choices had ended, how many pieces it had kept, and what else it counts.
StreamMark = tuple[int, ...]


class StreamReader(Protocol):
    """A dialect's view of one streamed answer: bytes from the provider in, bytes for the client out."""

    facts: AnswerFacts
    # The dialect's own end was seen: nothing that follows belongs to the answer.
    done: bool
    # Approximate number of output tokens is counted from these when the provider reports no usage.
    kept: list[bytes]

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, however they were cut.

        Returns:
            What the client may have now. The end marker (``[DONE]``) is held back until :meth:`finish`.

        Raises:
            StreamFailed: The provider sent an error event.
            InvalidAnswer: An event is not of this dialect, or too large.
            Blocked: A response rule ends the stream.

        What was ready for the client when it raised is in the error's ``released``, to be sent first.
        """
        ...

    def finish(self) -> bytes:
        """The provider ended the body: return what was held back, end marker included.

        Raises:
            StreamBroken: The stream is not whole.
            Blocked: A response rule ends the stream.
        """
        ...

    def mark(self) -> StreamMark:
        """Return what :meth:`rewind` needs to come back to this moment."""
        ...

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: the client was not given it, nor told of the ends in it."""
        ...


class Dialect(Protocol):
    """A wire format, client side and same-dialect provider side. Implementations hold no state."""

    name: str

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand a request whose body was already read strictly into ``document``.

        Raises:
            MalformedRequest: A field that we act on is missing or of the wrong type; unknown fields pass.
        """
        ...

    def segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a request, in the order in which it is read."""
        ...

    def answer_segments(self, document: Any) -> Iterator[Segment]:
        """Every text of a whole answer."""
        ...

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Bytes for the provider: the client's own where nothing must change.

        Args:
            request: As parsed.
            document: ``request.document``, or the edited copy of it.
            model: The name the provider knows; empty keeps the client's.
        """
        ...

    def read_answer(self, document: Any) -> AnswerFacts:
        """Usage, model and finish reason of a whole answer; fields of the wrong type count as absent."""
        ...

    def skim(self, body: bytes) -> AnswerFacts:
        """What :meth:`read_answer` tells of the parsed body, without building the rest; nothing when unreadable."""
        ...

    def strip_repeats(self, document: Any, paths: set[tuple[str | int, ...]]) -> Any:
        """A copy without what repeats edited text (``logprobs``), given the paths that were edited."""
        ...

    def stream_reader(self, request: Request, screen: TextScreen | None) -> StreamReader:
        """A fresh reader for one streamed answer."""
        ...

    def answer_text(self, document: Any, kept: list[bytes]) -> str:
        """The text of an answer, to count its tokens: of ``document`` when whole, else of a stream's kept bytes."""
        ...

    def stream_transcript(self, kept: list[bytes]) -> bytes:
        """A streamed answer put together as the whole answer it stands for (JSON), for capture."""
        ...

    def restream(self, document: Any) -> bytes:
        """A whole answer as the stream that it might have been; nothing where no such stream can be written."""
        ...

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's error document."""
        ...

    def stream_error(self, error: GatewayError, exchange_id: str) -> bytes:
        """The dialect's error event; the stream ends after it without an end marker."""
        ...

    def stream_block(self, reader: StreamReader) -> bytes:
        """Events that end a stream a guard has stopped, end marker included."""
        ...

    def stream_limit(self, reader: StreamReader) -> bytes:
        """Events that end a stream as one that has reached the length it may have, end marker included."""
        ...


class StreamVerdicts(TextScreen, Protocol):
    """A :class:`TextScreen` that tells what it has done so far."""

    events: list[GuardEvent]
    # Characters that have left so far.
    released: int

    @property
    def action(self) -> Action:
        """The strongest action taken so far."""
        ...

    @property
    def taint(self) -> bool:
        """Whether a rule taints the session."""
        ...

    @property
    def coverage(self) -> float:
        """Texts that could be judged over texts there were."""
        ...


class Flow(Protocol):
    """Where a stream goes, and whoever can slow it down; an attempt is one."""

    def show(self, data: bytes) -> None:
        """Send the client what it may have now."""
        ...

    def stop(self, error: GatewayError) -> None:
        """End the attempt."""
        ...

    def wait(self, *, on: bool) -> None:
        """Tell the provider to wait, or to go on."""
        ...


class ClauseHolder(Protocol):
    """Keeps a stream's events until the clauses in them are judged; guards implement it.

    Attributes:
        released: Characters that have left.
    """

    released: int

    def open(self, flow: Flow) -> None:
        """Say where events go that had to wait."""
        ...

    def take(self, reader: StreamReader, data: bytes) -> bytes:
        """Let a reader take the next bytes, and return what may leave now; raises as the reader does."""
        ...

    def hold_back(self) -> None:
        """The provider has said all: what waits leaves with the end, or not at all."""
        ...

    async def finish(self, reader: StreamReader) -> bytes:
        """Let a reader take the end, wait for the judges, and return all that is left.

        Raises:
            Blocked: A rule ends the stream.
        """
        ...

    def drop(self) -> None:
        """Let nothing more leave; the reader forgets what its client was not given."""
        ...


class Judges(Protocol):
    """Judges of a call that are asked beside it; guards implement it."""

    def begin(self, dialect: Dialect, document: Any, stop: Callable[[GatewayError], None]) -> None:
        """Ask about a request that goes on to its provider."""
        ...

    async def conclude(self, answer: tuple[Dialect, Any] | None, request: Any) -> list[Screened]:
        """Wait for the judges of a call that is over, and return what they said."""
        ...

    def drop(self) -> list[Screened]:
        """Ask no more, and return what was said so far."""
        ...


class Identity(Protocol):
    """Finds out who is calling."""

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        """Make a principal of a request's headers; ``peer`` is the address that they came from.

        Raises:
            AuthenticationFailed: No credential, or not one of ours.
            CallerPending: That cannot be told yet.
        """
        ...


class CrossingView(Protocol):
    """What others may see of a call between two dialects."""

    # What was left out of the request, in the client's words.
    dropped: list[str]
    # Of the whole call, once the provider has told.
    usage: Usage | None


class AttemptView(Protocol):
    """What others may see of an attempt; times are monotonic nanoseconds, zero where it never came to that."""

    status: int
    headers: Headers
    # The same as the client's, encoded, where that was known without asking.
    block: bytes | None
    reader: StreamReader | None
    sent_ns: int
    answered_ns: int
    first_ns: int
    ended_ns: int
    out_bytes: int
    # What came, as far as it is kept: of a stream only where rules may hold something back, or judge it whole.
    received: list[bytes]

    @property
    def held(self) -> bool:
        """Whether a stream is kept until it is whole and its client has seen nothing of it."""
        ...
