"""Strict HTTP/1.1 framing: what two parsers could read differently is refused before either reads it.

A request that a proxy and a provider frame differently lets one client's bytes become another's request
(smuggling). So: one length, lines ended by CRLF alone, no folded headers, one Host. RFC 9112 §2.2, §5.2, §6.3.
"""

from __future__ import annotations

from gateway.core.errors import GatewayError, HeadersTooLarge, MalformedRequest, RequestTooLarge
from gateway.core.exchange import Headers

MAX_HEAD_BYTES = 65_536
MAX_HEADER_LINES = 128
_VERSIONS = (b" HTTP/1.1", b" HTTP/1.0")
# Credentials and framing may not come twice: joined by a comma they would mean something else.
_SINGLE = frozenset(
    {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"content-type",
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"x-weighbridge-session",
        b"x-weighbridge-tags",
        b"x-weighbridge-cache",
        b"x-weighbridge-policy",
        b"traceparent",
    }
)
# RFC 9110 §6.5.1: who reads these behind a body would read another request than who reads them before it.
NEVER_TRAILERS = frozenset({b"host", b"content-length", b"transfer-encoding"})


def check_head(head: bytes) -> GatewayError | None:
    """Judge the raw bytes of a request head, final blank line included.

    Returns:
        The error to answer with, or ``None`` when the bytes can be read in one way only.
    """
    if len(head) > MAX_HEAD_BYTES:
        return HeadersTooLarge(f"The request head is larger than {MAX_HEAD_BYTES} bytes.")
    lines = head.count(b"\r\n")
    if lines != head.count(b"\n") or lines != head.count(b"\r"):
        return MalformedRequest("Bare CR or LF in the request head.")
    line = head[: head.find(b"\r\n")]
    # HTTP/2's preface and HTTP/0.9 too; a blank more, and readers differ on where the target ends.
    if line.count(b" ") != 2 or not line.endswith(_VERSIONS):
        return MalformedRequest("The request line is not a method, a target and HTTP/1.1, one blank between.")
    if b"\r\n " in head or b"\r\n\t" in head:
        return MalformedRequest("Folded header lines are not accepted.")
    if b"\0" in head:
        return MalformedRequest("NUL in the request head.")
    if lines > MAX_HEADER_LINES + 2:
        return HeadersTooLarge(f"More than {MAX_HEADER_LINES} header lines.")
    return None


def check_partial(head: bytes) -> GatewayError | None:
    """Judge a request head that is not whole yet: too long, or ended by something else than CRLF CRLF."""
    if len(head) > MAX_HEAD_BYTES:
        return HeadersTooLarge(f"The request head is larger than {MAX_HEAD_BYTES} bytes.")
    # The last byte may be half of a line's end.
    lines = head.count(b"\r\n")
    if lines != head.count(b"\n") or lines != head.count(b"\r", 0, len(head) - 1):
        return MalformedRequest("Bare CR or LF in the request head.")
    return None


def add_header(headers: Headers, name: bytes, value: bytes) -> GatewayError | None:
    """Add one header line under its lower-case name; repeats are joined where HTTP allows it."""
    name = name.lower()
    if name in headers:
        if name in _SINGLE:
            return MalformedRequest(f"The header {name.decode('latin-1')} came twice.")
        value = headers[name] + (b"; " if name == b"cookie" else b", ") + value
    headers[name] = value
    return None


def check_length(headers: Headers, *, http_1_0: bool, max_body_bytes: int) -> GatewayError | None:
    """Judge how the body is framed, before a byte of it is read."""
    length = headers.get(b"content-length")
    coding = headers.get(b"transfer-encoding")
    if length is not None:
        if coding is not None:
            return MalformedRequest("Content-Length and Transfer-Encoding came together.")
        # isdigit() on bytes is ASCII only: signs, spaces and underscores fail.
        if not length.isdigit() or len(length) > 18:
            return MalformedRequest("Content-Length is not a number.")
        if int(length) > max_body_bytes:
            return too_large(max_body_bytes)
    elif coding is not None and (coding.lower() != b"chunked" or http_1_0):
        return MalformedRequest("The only transfer coding accepted is 'chunked', on HTTP/1.1.")
    if not http_1_0 and not headers.get(b"host"):
        return MalformedRequest("The Host header is missing.")
    return None


def too_large(max_body_bytes: int) -> RequestTooLarge:
    """The error for a body over the limit."""
    return RequestTooLarge(f"The request body is larger than {max_body_bytes} bytes.")
