"""Reads what Envoy sends of an exchange: heads, bodies and trailers of both directions, one part a message."""

from __future__ import annotations

import msgspec

from gateway.wire.protobuf import Unreadable, fields

# Numbers of the fields of ``ProcessingRequest``, which are the kinds of parts.
REQUEST_HEAD, ANSWER_HEAD, REQUEST_BODY, ANSWER_BODY, REQUEST_TRAILERS, ANSWER_TRAILERS = range(2, 8)
_OBSERVES, _CONFIGURED = 10, 11
_KINDS = frozenset(range(REQUEST_HEAD, ANSWER_TRAILERS + 1))
_HEADS = frozenset((REQUEST_HEAD, ANSWER_HEAD))
_BODIES = frozenset((REQUEST_BODY, ANSWER_BODY))
# Ways in which bodies are sent.
NONE, STREAMED, BUFFERED, BUFFERED_PARTIAL, FULL_DUPLEX = range(5)

Lines = list[tuple[bytes, bytes]]


class Modes(msgspec.Struct, frozen=True):
    """How the filter is configured.

    Attributes:
        request: How request bodies come.
        answer: How bodies of answers come.
        eager: They come before their head was answered.
    """

    request: int
    answer: int
    eager: bool


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an exchange.

    Attributes:
        kind: Which.
        lines: Of a head or of trailers, as they came: names in lower case.
        body: A piece of it.
        last: Nothing else follows in this direction, trailers included.
        modes: With the first part.
        observes: Nobody waits for an answer to this.
    """

    kind: int
    lines: Lines = []
    body: bytes = b""
    last: bool = False
    modes: Modes | None = None
    observes: bool = False


def read_part(message: bytes) -> Part:
    """Read a ``ProcessingRequest``.

    Raises:
        Unreadable: It is none, or of a kind that nobody knows.
    """
    told = fields(message)
    kind = next((number for number in told if number in _KINDS), 0)
    content = told.get(kind)
    if not isinstance(content, bytes):
        raise Unreadable
    modes = _modes(told[_CONFIGURED]) if _CONFIGURED in told else None
    observes = bool(told.get(_OBSERVES))
    parts = fields(content)
    if kind in _BODIES:
        return Part(kind=kind, body=_bytes(parts.get(1)), last=bool(parts.get(2)), modes=modes, observes=observes)
    lines = _lines(_bytes(parts.get(1)))
    last = bool(parts.get(3)) if kind in _HEADS else True
    return Part(kind=kind, lines=lines, last=last, modes=modes, observes=observes)


def _modes(content: int | bytes) -> Modes:
    told = fields(_bytes(content))
    request, answer = told.get(1, NONE), told.get(2, NONE)
    if isinstance(request, bytes) or isinstance(answer, bytes):
        raise Unreadable
    return Modes(request, answer, bool(told.get(3)))


def _lines(content: bytes) -> Lines:
    """Read a ``HeaderMap``: most of what there is to read of a call."""
    lines: Lines = []
    at, end = 0, len(content)
    while at < end:
        if content[at] != _ENTRY:
            raise Unreadable
        entry, at = _block(content, at + 1)
        lines.append(_plain(entry) or _line(entry))
    return lines


def _plain(entry: bytes) -> tuple[bytes, bytes] | None:
    """Read a line as nearly all are written: a name and bytes, neither of them long."""
    size = len(entry)
    if size < _LEAST_BYTES or entry[0] != _ENTRY or (named := entry[1]) >= _SHORT or size < named + _LEAST_BYTES:
        return None
    at = named + _LEAST_BYTES
    if entry[at - 2] != _VALUE or entry[at - 1] >= _SHORT or at + entry[at - 1] != size:
        return None
    return entry[2 : at - 2], entry[at:]


def _line(entry: bytes) -> tuple[bytes, bytes]:
    told = fields(entry)
    # Newer ones write bytes, older ones text.
    return _bytes(told.get(1)), _bytes(told.get(3)) or _bytes(told.get(2))


_ENTRY, _VALUE = 1 << 3 | 2, 3 << 3 | 2
_LEAST_BYTES, _SHORT = 4, 0x80


def _block(content: bytes, at: int) -> tuple[bytes, int]:
    size = shift = 0
    while True:
        if at >= len(content) or shift > _MOST_BITS:
            raise Unreadable
        byte = content[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if at + size > len(content):
        raise Unreadable
    return content[at : at + size], at + size


_MOST_BITS = 35


def _bytes(value: int | bytes | None) -> bytes:
    if value is None:
        return b""
    if isinstance(value, int):
        raise Unreadable
    return value
