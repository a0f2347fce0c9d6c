"""One exchange on its way through Envoy: to the pipeline both its client, and the transport to its provider.

    Envoy: head, body ─► request ─► pipeline ─► what goes on ─► Envoy ─► provider
    Envoy: head, body ─► attempt ─► pipeline ─► what the client may have ─► Envoy ─► client

What the pipeline answers before anything went on, Envoy answers at once. All that is held here is bounded: the body of
a request by the listener's limit, what Envoy has not taken yet by making it wait with what it sends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from ssl import SSLContext
from typing import Protocol

from gateway.clients.origin import Origin
from gateway.core.errors import Bug, GatewayError, Misconfigured, StreamBroken
from gateway.core.exchange import Headers, Incoming, Timeouts
from gateway.core.ports import AnswerSink, Reply
from gateway.listener.arriving import Arriving
from gateway.listener.drive import Drive
from gateway.listener.passing_back import Back, back_for
from gateway.listener.patience import Patience
from gateway.wire.ext_proc import asked, told
from gateway.wire.ext_proc.asked import Modes, Part
from gateway.wire.ext_proc.heads import STATUS, answer_changes, read_lines, request_changes

HIGH_BYTES = 262_144
LOW_BYTES = 65_536
_DETAILS = "weighbridge"
_NO_MODES = Modes(asked.NONE, asked.NONE, eager=False)


class Owner(Protocol):
    """The listener, as far as this needs it."""

    now_ns: Callable[[], int]
    commit: Callable[[], None]
    max_body_bytes: int

    def serve(self, incoming: Incoming, reply: Reply) -> Drive:
        """Start serving a request."""
        ...


class _Outbox:
    """What waits for Envoy; whoever fills it can be made to wait."""

    __slots__ = ("_full", "_held", "_messages", "flow")

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._held = 0
        self._full = False
        self.flow: tuple[Callable[[], None], Callable[[], None]] | None = None

    def put(self, messages: tuple[bytes, ...]) -> None:
        self._messages.extend(messages)
        self._held += sum(map(len, messages))
        if self._held > HIGH_BYTES and not self._full and self.flow is not None:
            self._full = True
            self.flow[0]()

    def take(self) -> bytes | None:
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._held -= len(message)
        if self._full and self._held < LOW_BYTES and self.flow is not None:
            self._full = False
            self.flow[1]()
        return message

    def clear(self) -> None:
        self._messages.clear()


class Passing:
    """A :class:`~gateway.core.ports.Reply`, and what a call is sent by.

    Args:
        owner: Serves the request.
        peer: Envoy's address.
        named: The provider, where Envoy names it.

    Attributes:
        news: Called when there is something for Envoy.
    """

    def __init__(self, owner: Owner, peer: str, named: str = "") -> None:
        self.gone = self.started = False
        self.named = named
        self.news: Callable[[], None] = _nobody
        self._owner = owner
        self._peer = peer
        self._request = Arriving(owner.max_body_bytes)
        self._modes = _NO_MODES
        self._drive: Drive | None = None
        self._over = False
        self._out = _Outbox()
        # The provider's side; nothing is taken from Envoy while it pauses.
        self._came = b""
        self._sink: AnswerSink | None = None
        self._back: Back | None = None
        self._status = 0
        self._answered: Headers = {}
        self._patience = Patience(self._fail)
        self._readable = asyncio.Event()
        self._readable.set()

    @property
    def authority(self) -> bytes:
        """Whom the client means, as it has it."""
        return self._request.authority

    # --- Envoy's side

    def take(self, part: Part) -> None:
        """Take the next part of the exchange."""
        self._modes = part.modes or self._modes
        if self._over:
            self._take_rest(part)
        elif part.kind == asked.REQUEST_HEAD:
            self._request.take_head(part, self._modes)
            if self._request.waits:
                self._emit(told.head(told.REQUEST_HEAD))
            self._serve()
        elif part.kind in {asked.REQUEST_BODY, asked.REQUEST_TRAILERS}:
            self._take_request(part)
        elif self._back is not None or part.kind == asked.ANSWER_HEAD:
            self._take_answer(part)
        elif self._sink is not None:
            self._fail(Misconfigured("The filter ext_proc must have response_header_mode SEND."))

    def give(self) -> bytes | None:
        """Give the next message for Envoy, if there is any."""
        return self._out.take()

    async def readable(self) -> None:
        """Wait while nothing more should be taken from Envoy."""
        await self._readable.wait()

    def left(self) -> None:
        """Envoy has ended the exchange, whole or not."""
        self.gone = self._over = True
        self._patience.stop()
        self._out.clear()
        self._readable.set()
        if self._drive is not None:
            self._drive.cancel()

    def _emit(self, *messages: bytes) -> None:
        if not self.gone:
            self._out.put(messages)
            self.news()

    def _take_rest(self, part: Part) -> None:
        """Take what comes when the client has all that it gets."""
        back = self._back
        if back is not None and part.kind == asked.ANSWER_BODY:
            back.answered(last=part.last)
        elif back is not None and part.kind == asked.ANSWER_TRAILERS:
            back.trailed([name for name, _ in part.lines])

    # --- the request

    def _take_request(self, part: Part) -> None:
        if self._drive is None:
            self._request.take(part)
            self._serve()
        elif part.kind == asked.REQUEST_TRAILERS:
            # They came behind a body that has gone on; no provider gets what nobody looked at.
            self._emit(told.trailers(told.REQUEST_TRAILERS, [name for name, _ in part.lines]))

    def _serve(self) -> None:
        if self._request.whole:
            incoming = self._request.incoming(self._peer, self._owner.now_ns())
            self._came = incoming.body
            self._drive = self._owner.serve(incoming, self)

    # --- the transport

    def forward(self, wire: bytes, sink: AnswerSink, timeouts: Timeouts) -> None:
        """Let the request go on.

        Args:
            wire: As the gateway would send it: head and body.
            sink: Takes the answer.
            timeouts: How long that may take.
        """
        head, _, body = wire.partition(b"\r\n\r\n")
        self._sink = sink
        request, came = self._request, self._came
        self._came = b""
        changes = request_changes(request.headers, request.path, head)
        if request.waits:
            changed = None if body == came else body
            if changed is not None:
                changes.put.append((b"content-length", b"%d" % len(body)))
            self._emit(told.whole_body(told.REQUEST_BODY, changes, changed))
        elif not body:
            self._emit(told.head(told.REQUEST_HEAD, changes))
        else:
            last = request.trailers is None
            self._emit(told.head(told.REQUEST_HEAD, changes), *told.pieces(told.REQUEST_BODY, body, last=last))
            if request.trailers is not None:
                self._emit(told.trailers(told.REQUEST_TRAILERS, request.trailers))
        self._patience.start(timeouts)

    def cancel(self) -> None:
        """Nothing more is to reach who takes the answer."""
        self._sink = None
        self._patience.stop()
        self._readable.set()

    def pause(self) -> None:
        """Take no more from Envoy for now."""
        self._readable.clear()

    def resume(self) -> None:
        """Go on taking."""
        self._readable.set()

    def _fail(self, error: GatewayError) -> None:
        sink, self._sink = self._sink, None
        self._patience.stop()
        if sink is not None:
            sink.on_fail(error)

    # --- the answer

    def _take_answer(self, part: Part) -> None:
        if part.kind == asked.ANSWER_HEAD:
            self._take_status(part)
        back, sink = self._back, self._sink
        if back is None:
            return
        if part.kind == asked.ANSWER_HEAD:
            back.headed(last=part.last)
            if sink is not None:
                sink.on_head(self._status, self._answered.copy())
        elif part.kind == asked.ANSWER_TRAILERS:
            back.trailed([name for name, _ in part.lines])
        elif part.body and sink is not None:
            back.came(part.body)
            sink.on_data(part.body)
        # What Envoy has gathered is all there is; trailers would follow when it has been answered.
        last = part.last or (part.kind == asked.ANSWER_BODY and self._modes.answer == asked.BUFFERED)
        if last and self._sink is not None:
            self._patience.stop()
            sink, self._sink = self._sink, None
            sink.on_end()
        if part.kind == asked.ANSWER_BODY:
            back.answered(last=last)

    def _take_status(self, part: Part) -> None:
        for name, value in part.lines:
            if name == STATUS:
                self._status = int(value) if value.isdigit() else 0
            elif name[:1] != b":":
                had = self._answered.get(name)
                self._answered[name] = value if had is None or name == b"set-cookie" else had + b", " + value
        self._patience.begun()
        self._back = back_for(self._modes, self._emit)

    # --- the client

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Take a whole answer."""
        self._owner.commit()
        if self._over:
            return
        if self._back is None or status != self._status:
            self._answer(status, headers, body)
            return
        self._back.start(answer_changes(self._answered, headers))
        self._back.finish(body)
        self._end()

    def start(self, status: int, headers: bytes) -> None:
        """Take the head of a stream."""
        self.started = True
        if self._back is None:
            return
        changes = answer_changes(self._answered, headers)
        if status != self._status:
            changes.put.append((STATUS, b"%d" % status))
        self._back.start(changes)

    def write(self, data: bytes) -> None:
        """Take a piece of a stream."""
        if data and self._back is not None and not self._over:
            self._back.write(data)

    def finish(self, tail: bytes) -> None:
        """Take the last piece."""
        self._owner.commit()
        if self._back is not None and not self._over:
            self._back.finish(tail)
        self._end()

    def abort(self) -> None:
        """What was sent is not the whole, and the client must know: Envoy cuts it off, whatever its failure mode is."""
        if not self._over:
            self._answer(StreamBroken.status, b"", b"")

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Who to tell when Envoy takes too slowly."""
        self._out.flow = (pause, resume)

    def _answer(self, status: int, headers: bytes, body: bytes) -> None:
        self._back = None
        self._emit(told.at_once(status, read_lines(headers), body, _DETAILS))
        self._end()

    def _end(self) -> None:
        self._over = True
        self._patience.stop()
        self._readable.set()


def _nobody() -> None:
    """Nobody listens yet."""


class Lane:
    """What the pipeline sends a call by, one call long; stands where its client of HTTP does.

    Args:
        passing: The exchange.
    """

    def __init__(self, passing: Passing) -> None:
        self._passing = passing

    def send(self, origin: Origin, wire: bytes, sink: AnswerSink, timeouts: Timeouts) -> Passing:
        """Let a request go on, wherever Envoy's routes lead."""
        del origin
        self._passing.forward(wire, sink, timeouts)
        return self._passing

    def context(self) -> SSLContext:
        """There is none: connections are Envoy's."""
        raise Bug("Envoy has no sessions for us.")
