"""Heads of answers that need not be parsed again: like one that was, but for values that nobody acts on.

A provider's answers mostly have one head, in which the length, the date and some ids differ. Line by line it is
compared with one that a real parser has read. A line that differs must have the same name, none of those that frame
or describe the body, and a value of visible characters; a head with anything else new in it goes to the parser.
"""

from __future__ import annotations

import re
from itertools import compress
from operator import ne

from gateway.core.exchange import Headers
from gateway.wire.headers import answer_headers, forwarded_to_client

MAX_HEAD_BYTES = 65_536
_BODILESS = frozenset((204, 304))
_LENGTH = b"content-length"
# What a body is, where it ends, and whether the connection does: these are equal or the head is another one.
_ACTED_ON = frozenset(
    (
        b"connection", b"content-encoding", b"content-range", b"content-type", b"keep-alive", b"proxy-connection",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip
_VISIBLE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class KnownHead:
    """One head that was read, with a length, from a connection that stays open.

    Attributes:
        status: Of the answer.
    """

    __slots__ = ("_block", "_headers", "_length", "_lines", "_names", "_places", "_shown", "status")

    def __init__(self, status: int, lines: list[bytes], names: list[bytes], headers: Headers) -> None:
        self.status = status
        self._lines = lines
        # Lower-case; empty for lines that must stay what they are.
        self._names = names
        self._places = range(len(lines))
        self._length = int(headers[_LENGTH])
        self._headers = {name: value for name, value in headers.items() if name != _LENGTH}
        self._block = answer_headers(headers)
        forwarded = forwarded_to_client(headers)
        self._shown = [b"%b: %b\r\n" % (name, headers[name]) if name in forwarded else b"" for name in headers]

    def read(self, data: bytes) -> tuple[Headers, bytes, bytes] | None:
        """Read an answer that came in one piece.

        Returns:
            Its headers but for the length, the block of them for the client (see
            :func:`gateway.wire.headers.answer_headers`) and its body; ``None`` when the answer is not whole, or its
            head is not like this one.
        """
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        lines = data[:end].split(b"\r\n")
        if end < 0 or len(lines) != len(self._lines):
            return None
        size = len(data) - end - 4
        headers, shown = self._headers, None
        for place in compress(self._places, map(ne, lines, self._lines)):
            name, line = self._names[place], lines[place]
            start = len(name) + 1
            if not name or line[:start].lower() != name + b":" or _VISIBLE.fullmatch(line) is None:
                return None
            value = line[start:].strip(b" \t")
            if name == _LENGTH:
                if not (value.isdigit() and len(value) <= 18 and int(value) == size):
                    return None
                size = -1
                continue
            if shown is None:
                headers, shown = headers.copy(), self._shown.copy()
            headers[name] = value
            if shown[place - 1]:
                shown[place - 1] = b"%b: %b\r\n" % (name, value)
        if size not in (-1, self._length):
            return None
        return headers, self._block if shown is None else b"".join(shown), data[end + 4 :]


def remember(status: int, head: bytes, headers: Headers) -> KnownHead | None:
    """Make a head known, where answers like it can be told apart by their bytes.

    Args:
        status: As the parser read it.
        head: The bytes from the status line to the end of the last line.
        headers: As the parser read them; the answer had a body of a known length and left the connection open.
    """
    lines = head.split(b"\r\n")
    names = [b""]
    if status < 200 or status in _BODILESS or not lines[0].startswith(b"HTTP/1.1 ") or _LENGTH not in headers:
        return None
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        # A folded line, or a name that came twice, is not what it seems.
        if headers.get(name.lower()) != value.strip(b" \t"):
            return None
        names.append(name.lower())
    if names[1:] != list(headers) or b"transfer-encoding" in headers or not headers[_LENGTH].isdigit():
        return None
    kept = [b"" if name in _ACTED_ON else name for name in names]
    return KnownHead(status, lines, kept, headers)
