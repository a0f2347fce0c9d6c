"""Heads of HTTP/2: lists of fields to requests as HTTP/1.1 has them, and answers' lines to lists of fields.

What h2 lets through is well formed as a field (RFC 9113 §8.2: no capitals, no line breaks, nothing of a connection's
own). What a request means is judged here by the same rules as on HTTP/1.1, since it goes on as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.core.errors import GatewayError, HeadersTooLarge, MalformedRequest
from gateway.core.exchange import Headers
from gateway.listener import framing
from gateway.listener.reply import BODILESS

Field = tuple[bytes, bytes]
_METHOD = re.compile(rb"[A-Z][A-Z0-9_-]{0,31}")
_TARGET = re.compile(rb"[/*][\x21-\x7e]*")
_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")


class StreamHead:
    """A request's head.

    Attributes:
        fault: What is wrong with it.
        wants_continue: The client waits to be told that it may send the body.
    """

    __slots__ = ("fault", "headers", "method", "path", "query", "wants_continue")

    def __init__(self, fields: Iterable[Field], max_body_bytes: int) -> None:
        pseudo: dict[bytes, bytes] = {}
        self.headers: Headers = {}
        self.fault: GatewayError | None = None
        size = lines = 0
        for name, value in fields:
            if name.startswith(b":"):
                pseudo[name] = value
                continue
            size += len(name) + len(value)
            lines += 1
            if _NAME.fullmatch(name) is None:
                self._wrong("A header's name is none.")
            elif name == b"host" and b":authority" in pseudo:
                # Equal, or h2 had refused it.
                continue
            else:
                self.fault = framing.add_header(self.headers, bytes(name), bytes(value)) or self.fault
        if size > framing.MAX_HEAD_BYTES or lines > framing.MAX_HEADER_LINES:
            self.fault = HeadersTooLarge("The request head is too large.")
        self._read(pseudo)
        self.fault = self.fault or framing.check_length(self.headers, http_1_0=False, max_body_bytes=max_body_bytes)
        # The body is whole when it ends; h2 holds it to the length.
        self.headers.pop(b"content-length", None)
        self.wants_continue = self.headers.get(b"expect", b"").lower() == b"100-continue"

    def _read(self, pseudo: dict[bytes, bytes]) -> None:
        method, target = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
        authority = pseudo.get(b":authority")
        if authority is not None:
            self.headers[b"host"] = bytes(authority)
        if method == b"CONNECT":
            self._wrong("CONNECT is not possible.")
        elif _METHOD.fullmatch(method) is None or _TARGET.fullmatch(target) is None:
            self._wrong("The request has no method or no path.")
        self.method = method.decode("latin-1")
        self.path, _, self.query = target.decode("latin-1").partition("?")

    def _wrong(self, why: str) -> None:
        self.fault = self.fault or MalformedRequest(why)


def check_trailers(fields: Iterable[Field]) -> GatewayError | None:
    """Judge what came behind a body."""
    if any(name in framing.NEVER_TRAILERS for name, _ in fields):
        return MalformedRequest("The request's trailers may not say how it is framed.")
    return None


def answer_fields(status: int, lines: bytes, length: int | None = None) -> list[Field]:
    """Give the fields of an answer's head.

    Args:
        status: HTTP status.
        lines: Encoded lines, each ending in CRLF, of nothing that is a connection's own.
        length: Of the body, where it is known.
    """
    fields = [(b":status", b"%d" % status)]
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name.lower(), value.strip()))
    if length is not None and status not in BODILESS:
        fields.append((b"content-length", b"%d" % length))
    return fields
