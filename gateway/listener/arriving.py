"""A request as Envoy shows it: its head, then its body in pieces, until it is whole or cannot be believed."""

from __future__ import annotations

from gateway.core.errors import GatewayError, HeadersTooLarge, MalformedRequest, Misconfigured
from gateway.core.exchange import Headers, Incoming
from gateway.listener import framing
from gateway.wire.ext_proc import asked
from gateway.wire.ext_proc.asked import Modes, Part
from gateway.wire.ext_proc.heads import PATH, breaks

_METHOD, _AUTHORITY = b":method", b":authority"
_MODES = (
    "The filter ext_proc must have request_body_mode FULL_DUPLEX_STREAMED or BUFFERED, and response_body_mode "
    "FULL_DUPLEX_STREAMED, BUFFERED, or STREAMED with send_body_without_waiting_for_header_response."
)
_MAX_DIGITS = 18


class Arriving:
    """One request.

    Args:
        max_body_bytes: Largest body.

    Attributes:
        headers: As a listener reads them.
        authority: Whom the client means.
        path: With its query.
        fault: Why it cannot be served.
        trailers: Names of those behind its body; ``None`` where there are none.
        whole: Nothing of it is missing, or wanted.
        waits: Its head is to be answered before its body comes.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self.headers: Headers = {}
        self.path = self.authority = b""
        self.fault: GatewayError | None = None
        self.trailers: list[bytes] | None = None
        self.whole = self.waits = False
        self._max_body_bytes = max_body_bytes
        self._method = ""
        self._gathered = False
        self._body: list[bytes] = []
        self._size = 0

    def take_head(self, part: Part, modes: Modes) -> None:
        """Take the head."""
        for name, value in part.lines:
            if name[:1] != b":":
                self.fault = framing.add_header(self.headers, name, value) or self.fault
            elif name == PATH:
                self.path = value
            elif name == _METHOD:
                self._method = value.decode("latin-1")
            elif name == _AUTHORITY:
                self.authority = value
        self.fault = self.fault or _unfit(modes) or self._unread(part)
        self.headers.setdefault(b"host", self.authority)
        self.headers.pop(b"content-length", None)
        self.whole = part.last or self.fault is not None
        self._gathered = modes.request == asked.BUFFERED
        self.waits = self._gathered and not self.whole

    def take(self, part: Part) -> None:
        """Take a piece of the body, or trailers."""
        if part.kind == asked.REQUEST_TRAILERS:
            self.trailers = [name for name, _ in part.lines]
        self._body.append(part.body)
        self._size += len(part.body)
        if self._size > self._max_body_bytes:
            self.fault = framing.too_large(self._max_body_bytes)
        self.whole = part.last or self._gathered or self.fault is not None

    def incoming(self, peer: str, received_ns: int) -> Incoming:
        """Give it, once it is whole. Its body is held by nobody else then."""
        body = b"" if self.fault is not None else b"".join(self._body)
        self._body.clear()
        path, _, query = self.path.decode("latin-1").partition("?")
        return Incoming(self._method, path, query, dict(self.headers), body, peer, received_ns, self.fault, {})

    def _unread(self, part: Part) -> GatewayError | None:
        if len(part.lines) > framing.MAX_HEADER_LINES:
            return HeadersTooLarge(f"More than {framing.MAX_HEADER_LINES} header lines.")
        if breaks(part.lines):
            return MalformedRequest("A header holds a line break or a NUL.")
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and len(length) <= _MAX_DIGITS and int(length) > self._max_body_bytes:
            return framing.too_large(self._max_body_bytes)
        return None


def _unfit(modes: Modes) -> GatewayError | None:
    """Say what a filter cannot be used with: the gateway would not see, or could not hold back, what passes."""
    fits = modes.request in {asked.BUFFERED, asked.FULL_DUPLEX} and (
        modes.answer in {asked.BUFFERED, asked.FULL_DUPLEX} or (modes.answer == asked.STREAMED and modes.eager)
    )
    return None if fits else Misconfigured(_MODES)
