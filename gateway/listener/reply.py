"""Answers as bytes: status lines, whole answers in one write, chunks."""

from __future__ import annotations

from http import HTTPStatus

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
BODILESS = frozenset({204, 304})
LAST_CHUNK = b"0\r\n\r\n"


def status_line(status: int) -> bytes:
    """The first line of an answer; a status without a known phrase gets none."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def whole(status: int, headers: bytes, body: bytes, *, close: bool, head_only: bool = False) -> bytes:
    """Frame a whole answer.

    Args:
        status: HTTP status.
        headers: Encoded lines, each ending in CRLF.
        body: The body; left out where HTTP has none.
        close: The connection ends after this answer.
        head_only: The request was ``HEAD``.
    """
    connection = b"connection: close\r\n" if close else b""
    if status in BODILESS:
        return b"%b%b%b\r\n" % (status_line(status), headers, connection)
    shown = b"" if head_only else body
    return b"%b%b%bcontent-length: %d\r\n\r\n%b" % (status_line(status), headers, connection, len(body), shown)


def stream_head(status: int, headers: bytes, *, close: bool, chunked: bool) -> bytes:
    """Frame the head of an answer whose length is not known."""
    connection = b"connection: close\r\n" if close else b""
    coding = b"transfer-encoding: chunked\r\n" if chunked else b""
    return b"%b%b%b%b\r\n" % (status_line(status), headers, connection, coding)


def switched(headers: bytes) -> bytes:
    """Frame the answer that ends HTTP on a connection."""
    return b"%bconnection: Upgrade\r\nupgrade: websocket\r\n%b\r\n" % (status_line(101), headers)


def chunk(data: bytes) -> bytes:
    """Frame one chunk; ``data`` is not empty, for an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
