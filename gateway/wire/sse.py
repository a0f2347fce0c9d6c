"""Server-sent events, both ways, without I/O.

A network read is not an event: it may hold several, or a piece of one. :class:`EventSplitter` alone knows where events
end; it keeps their bytes as they came, so that what need not be changed is passed on unchanged. :func:`parse_event`
reads the fields of one whole event.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re

import msgspec

from gateway.core.errors import InvalidAnswer

MAX_EVENT_BYTES = 1_048_576

_BOM = b"\xef\xbb\xbf"
# The end of a line and an empty line. Atomic, so that a lone CRLF is never read as the two ends CR and LF.
_BLANK = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")


_NO_DATA = len(b"data: \n\n")


class ServerSentEvent(msgspec.Struct, frozen=True):
    """One event: its data lines joined by LF, and its name."""

    data: bytes
    name: bytes = b"message"


class EventSplitter:
    """Cuts a byte stream into whole events, each with the empty line that ends it, byte for byte as they came.

    Only a byte order mark at the very start is left out. Any number of tiny pieces costs linear time.

    Args:
        max_event_bytes: Largest unfinished event held in memory.
    """

    __slots__ = ("_max", "_returned", "_returns", "_searched", "_started", "carry")

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        # Bytes of the unfinished event; empty between events.
        self.carry = bytearray()
        self._searched = 0
        self._started = False
        # A CR was seen: lines may end in other ways than LF.
        self._returns = False
        # The last event ended in a CR, behind which nothing had come yet.
        self._returned = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes, however they were cut, and return the events they complete.

        Raises:
            InvalidAnswer: The unfinished event exceeds ``max_event_bytes``.
        """
        if not self._started:
            data = self._open(data)
        carry = self.carry
        events: list[bytes] = []
        if self._returned and data:
            self._returned = False
            if data.startswith(b"\n"):
                # It ends the same line, whichever read brings it, and goes after the event, which has left.
                events.append(b"\n")
                data = data[1:]
        self._returns = self._returns or data.find(b"\r") >= 0
        if carry:
            carry += data
        elif not self._returns and not events and (end := data.find(b"\n\n") + 2) == len(data) and end > 1:
            return [data]
        source = carry or data
        start, at = 0, self._searched
        while (end := self._event_end(source, at)) > 0:
            events.append(bytes(source[start:end]))
            start = at = end
        self._returned = self._returns and 0 < start == len(source) and source.endswith(b"\r")
        if source is data:
            carry += data[start:] if start else data
        elif start:
            del carry[:start]
        # The next bytes may turn the last three into an empty line.
        self._searched = max(0, len(carry) - 3)
        if len(carry) > self._max:
            raise InvalidAnswer(f"The provider sent an event larger than {self._max} bytes.")
        return events

    def rest(self) -> bytes:
        """Return what is left when no more bytes will come, and forget it."""
        rest = bytes(self.carry)
        self.carry.clear()
        self._searched = 0
        return rest

    def _open(self, data: bytes) -> bytes:
        head = bytes(self.carry) + data
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self.carry[:] = head
            return b""
        self._started = True
        self.carry.clear()
        return head.removeprefix(_BOM)

    def _event_end(self, source: bytes | bytearray, at: int) -> int:
        if not self._returns:
            found = source.find(b"\n\n", at)
            return found + 2 if found >= 0 else -1
        match = _BLANK.search(source, at)
        if match is None:
            return -1
        end = match.end()
        # After CR LF CR comes LF: it belongs to this event, whichever read brings it.
        return -1 if end == len(source) and source.endswith(b"\r\n\r") else end


def parse_event(event: bytes) -> ServerSentEvent | None:
    """Read the fields of one whole event, its ending empty line included or not.

    Returns:
        The event; ``None`` when it has no data (comments, ``id`` and ``retry`` alone).
    """
    plain = event.startswith(b"data: ") and event.endswith(b"\n\n") and event.find(b"\r") < 0
    if plain and event.find(b"\n") == len(event) - 2:
        return ServerSentEvent(event[6:-2]) if len(event) > _NO_DATA else None
    name = b"message"
    data: list[bytes] = []
    for line in event.splitlines():
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    joined = b"\n".join(data)
    return ServerSentEvent(joined, name) if joined else None


class SSEDecoder:
    """Bytes in, events out, for who does not need their bytes.

    Args:
        max_event_bytes: Largest unfinished event held in memory.
    """

    __slots__ = ("_splitter",)

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._splitter = EventSplitter(max_event_bytes=max_event_bytes)

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Take the next bytes and return the events they complete.

        Raises:
            InvalidAnswer: The unfinished event exceeds ``max_event_bytes``.
        """
        return [event for raw in self._splitter.feed(data) if (event := parse_event(raw)) is not None]


def encode(event: ServerSentEvent) -> bytes:
    """Write one event; ``data`` may span lines."""
    if event.name == b"message" and b"\n" not in event.data:
        return b"data: " + event.data + b"\n\n"
    head = b"" if event.name == b"message" else b"event: " + event.name + b"\n"
    return head + b"".join(b"data: " + line + b"\n" for line in event.data.split(b"\n")) + b"\n"
