"""Bytes of one client connection to requests: heads checked as raw bytes, bodies taken by their length.

httptools reads a head once it is known that nobody could read it another way, and decodes chunked bodies. A connection
mostly sends the same head again and again; equal bytes are not read twice.
"""

from __future__ import annotations

import re
from typing import Any

import httptools

from gateway.core.errors import GatewayError, MalformedRequest
from gateway.core.exchange import Headers, Incoming
from gateway.listener import framing

_HEAD = -2
_CHUNKED = -1
# Where the value of Content-Length stands, whatever the case of its first letters.
_LENGTH = b"ength: "
_NAME = b"\r\ncontent-l"
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r]*", re.IGNORECASE)
_MAX_DIGITS = 9


class Head:
    """A request head that was read: equal bytes, the length's digits left out, need not be read again.

    Attributes:
        before: The bytes up to the length's digits.
        after: The bytes behind them, blank line included.
    """

    __slots__ = ("after", "before", "chunked", "close", "headers", "memo", "method", "path", "query")

    def __init__(
        self, before: bytes, after: bytes, parser: httptools.HttpRequestParser, target: bytes, headers: Headers
    ) -> None:
        self.before = before
        self.after = after
        self.method = parser.get_method().decode("ascii")
        self.path, _, self.query = target.decode("latin-1").partition("?")
        self.headers = headers
        self.memo: dict[str, Any] = {}
        http_1_0 = parser.get_http_version() == "1.0"
        # An answer of unknown length to HTTP/1.0 has no chunks: it ends with the connection.
        self.chunked = not http_1_0
        # The parser forgets what it has read with a request that has no body.
        self.close = http_1_0 or not parser.should_keep_alive() or b"close" in headers.get(b"connection", b"").lower()


class RequestReader:
    """Reads one connection's requests, one at a time.

    Args:
        peer: The client's address, for the requests.
        max_body_bytes: Largest body.

    Attributes:
        arriving: A part of a request has arrived.
        head: Of the request that :meth:`feed` gave last, or is gathering; ``None`` before it is whole.
        known: The head that :meth:`again` knows.
        rest: What came behind the request that :meth:`feed` gave last.
        wants_continue: The client waits for "100 Continue" before it sends the body.
        received_ns: When the request began to arrive.
    """

    __slots__ = (
        "_body", "_complete", "_fault", "_gathered", "_headers", "_left", "_max_body_bytes", "_overrun", "_parser",
        "_peer", "_size", "_url", "arriving", "head", "known", "received_ns", "rest", "wants_continue",
    )  # fmt: skip

    def __init__(self, peer: str, max_body_bytes: int) -> None:
        self._peer = peer
        self._max_body_bytes = max_body_bytes
        self.known: Head | None = None
        self._headers: Headers = {}
        self._url = b""
        self._gathered = b""
        self.received_ns = 0
        self.rest = b""
        self._size = 0
        self._parser: httptools.HttpRequestParser | None = None
        self.reset()

    def reset(self) -> None:
        """Be ready for the next request."""
        self.arriving = False
        self.head: Head | None = None
        self._body: list[bytes] = []
        # Bytes of the body still to come; _CHUNKED while only the parser knows, _HEAD before the head is whole.
        self._left = _HEAD
        self._complete = self._overrun = self.wants_continue = False
        self._fault: GatewayError | None = None

    @property
    def overrun(self) -> bool:
        """Bytes behind a chunked body were dropped: their head was never checked, so the connection must end."""
        return self._overrun

    def again(self, data: bytes, received_ns: int) -> Incoming | None:
        """Read the usual request: the head of the one before it, and all of its body, in one piece.

        For a reader at rest, and it stays at rest. What is anything else is none the worse for it: feed it.
        """
        head = self.known
        if head is None or not data.startswith(head.before):
            return None
        at = len(head.before)
        until = data.find(b"\r", at, at + _MAX_DIGITS + 1)
        digits = data[at:until]
        if not data.startswith(head.after, until) or not digits.isdigit():
            return None
        body = data[until + len(head.after) :]
        if int(digits) != len(body) or len(body) > self._max_body_bytes:
            return None
        return Incoming(
            head.method, head.path, head.query, head.headers, body, self._peer, received_ns, None, head.memo
        )

    def feed(self, data: bytes) -> Incoming | None:
        """Take bytes.

        Returns:
            The request when it is whole, or when it cannot be believed (``fault`` is set then); ``None`` before that.
        """
        self.arriving = True
        left = self._left
        if left == _HEAD:
            return self._feed_head(data)
        return self._feed_chunks(data) if left == _CHUNKED else self._feed_body(data, left)

    def refused(self, fault: GatewayError) -> Incoming:
        """Give what has arrived as a request to be answered with this error."""
        head = self.head
        if head is None:
            return Incoming("POST", "", "", {}, b"", self._peer, self.received_ns, fault)
        return Incoming(head.method, head.path, head.query, head.headers, b"", self._peer, self.received_ns, fault)

    def _feed_head(self, data: bytes) -> Incoming | None:
        gathered = self._gathered
        if gathered:
            searched = max(0, len(gathered) - 3)
            data = gathered + data
            end = data.find(b"\r\n\r\n", searched) + 4
        else:
            end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            self._gathered = data
            fault = framing.check_partial(data)
            return None if fault is None else self.refused(fault)
        self._gathered = b""
        raw, body = data[:end], data[end:]
        at = raw.find(_LENGTH) + 7
        until = raw.find(b"\r", at)
        known = self.known
        if known is not None and raw[:at] == known.before and raw[until:] == known.after:
            fault = self._same_head(known, raw[at:until])
        else:
            fault = framing.check_head(raw) or self._parse_head(raw, at, until)
        if fault is not None:
            return self.refused(fault)
        if self._left == _CHUNKED:
            return self._feed_chunks(body)
        return self._feed_body(body, self._left)

    def _same_head(self, known: Head, digits: bytes) -> GatewayError | None:
        if not digits.isdigit() or len(digits) > 18:
            return MalformedRequest("Content-Length is not a number.")
        length = int(digits)
        if length > self._max_body_bytes:
            return framing.too_large(self._max_body_bytes)
        self.head = known
        self._left = length
        return None

    def _parse_head(self, raw: bytes, at: int, until: int) -> GatewayError | None:
        self._headers = headers = Headers()
        self._url = b""
        self._size = 0
        self._parser = parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            # An offer of another protocol (RFC 9110 §7.8). Java's client makes one with its first call, and does
            # without when it is not taken up.
            plain = _UPGRADE.sub(b"", raw)
            return MalformedRequest("CONNECT is not possible.") if plain == raw else self._parse_head(plain, 0, 0)
        except httptools.HttpParserError:
            return self._fault or MalformedRequest("The request is not valid HTTP/1.1.")
        if self._fault is not None:
            return self._fault
        self.head = head = Head(raw[:at], raw[until:], parser, self._url, headers)
        fault = framing.check_length(headers, http_1_0=not head.chunked, max_body_bytes=self._max_body_bytes)
        if fault is not None:
            return fault
        self.wants_continue = headers.get(b"expect", b"").lower() == b"100-continue"
        if b"transfer-encoding" in headers:
            self._left = _CHUNKED
            return None
        self._left = int(headers.pop(b"content-length", b"0"))
        # Only where the digits that were left out are those of Content-Length itself.
        named = raw[max(0, at - 18) : max(0, at - 7)].lower() == _NAME and raw[at:until].isdigit()
        plain = named and head.chunked and not self.wants_continue
        self.known = head if plain else None
        return None

    def _feed_body(self, data: bytes, left: int) -> Incoming | None:
        size = len(data)
        if size > left:
            self.rest, data = data[left:], data[:left]
            size = left
        if size == left and not self._body:
            return self._request(data)
        self._body.append(data)
        self._left = left - size
        return None if self._left else self._request(b"".join(self._body))

    def _feed_chunks(self, data: bytes) -> Incoming | None:
        parser = self._parser
        try:
            if data and parser is not None:
                parser.feed_data(data)
        except httptools.HttpParserError:
            self._fault = self._fault or MalformedRequest("The request body is not framed in valid chunks.")
        if self._fault is not None:
            return self.refused(self._fault)
        return self._request(b"".join(self._body)) if self._complete else None

    def _request(self, body: bytes) -> Incoming | None:
        head = self.head
        if head is None:
            return None
        return Incoming(
            head.method, head.path, head.query, head.headers, body, self._peer, self.received_ns, None, head.memo
        )

    # --- httptools callbacks

    def on_message_begin(self) -> None:
        """Bytes behind a chunked body belong to a request whose head was never checked."""
        self._overrun = self._complete

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        if not self._complete:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line; trailers are dropped, but for those that would say how a message is framed or for whom."""
        if self._left == _HEAD:
            self._fault = framing.add_header(self._headers, name, value.rstrip(b" \t")) or self._fault
        elif not self._complete and name.lower() in framing.NEVER_TRAILERS:
            self._fault = self._fault or MalformedRequest("The request's trailers may not say how it is framed.")

    def on_body(self, body: bytes) -> None:
        """A piece of a chunked body, bounded."""
        self._size += len(body)
        if self._size > self._max_body_bytes:
            self._fault = framing.too_large(self._max_body_bytes)
        elif not self._complete:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The chunked body is whole."""
        if self._left == _CHUNKED:
            self._complete = True
