"""Writes what Envoy is to do with an exchange: go on with what was changed, or answer at once."""

from __future__ import annotations

import msgspec

from gateway.wire.ext_proc.asked import Lines
from gateway.wire.protobuf import LENGTH, VARINT, block, tag, varint

# Numbers of the fields of ``ProcessingResponse``.
REQUEST_HEAD, ANSWER_HEAD, REQUEST_BODY, ANSWER_BODY, REQUEST_TRAILERS, ANSWER_TRAILERS, AT_ONCE = range(1, 8)
# Envoy's advice for a piece of a body.
MAX_PIECE_BYTES = 65_536

_ONE, _TWO, _THREE = (tag(number, LENGTH) for number in (1, 2, 3))
_KINDS = tuple(tag(number, LENGTH) for number in range(AT_ONCE + 1))
# Takes the place of what is there, and may be empty.
_OVERWRITE = tag(3, VARINT) + varint(2) + tag(4, VARINT) + varint(1)
_LAST = tag(2, VARINT) + varint(1)
_CLEARED = tag(2, VARINT) + varint(1)


class Changes(msgspec.Struct, frozen=True):
    """What becomes of a head.

    Attributes:
        put: Takes the place of lines of that name, or is added.
        taken: Names of the lines that stay here.
    """

    put: Lines = []
    taken: list[bytes] = []


NOTHING = Changes()


def _changes(changes: Changes) -> bytes:
    """Write a ``HeaderMutation``."""
    written = [
        _ONE + block(_ONE + block(_ONE + block(name) + _THREE + block(value)) + _OVERWRITE)
        for name, value in changes.put
    ]
    written += [_TWO + block(name) for name in changes.taken]
    return b"".join(written)


def _common(kind: int, changes: Changes, body: bytes = b"") -> bytes:
    """Write a response that goes on: ``CommonResponse`` in one of its kinds."""
    written = _changes(changes)
    content = (_TWO + block(written) if written else b"") + (_THREE + block(body) if body else b"")
    return _KINDS[kind] + block(_ONE + block(content))


def head(kind: int, changes: Changes = NOTHING) -> bytes:
    """Go on with a head."""
    return _common(kind, changes)


def whole_body(kind: int, changes: Changes, body: bytes | None) -> bytes:
    """Go on with a body that Envoy has gathered.

    Args:
        kind: Of the request or of the answer.
        changes: Of its head, which has waited for it.
        body: What takes its place; ``None`` leaves it as it is.
    """
    if body is None:
        return _common(kind, changes)
    return _common(kind, changes, _ONE + block(body) if body else _CLEARED)


def piece_for(kind: int, body: bytes) -> bytes:
    """Give what takes the place of one piece of a body, where each piece is answered by one."""
    return _common(kind, NOTHING, _ONE + block(body) if body else _CLEARED)


def pieces(kind: int, body: bytes, *, last: bool) -> list[bytes]:
    """Give a body, or some of it, where pieces of both sides have nothing to do with each other."""
    written: list[bytes] = []
    for at in range(0, len(body) or 1, MAX_PIECE_BYTES):
        part = body[at : at + MAX_PIECE_BYTES]
        ends = _LAST if last and at + MAX_PIECE_BYTES >= len(body) else b""
        if part or ends:
            written.append(_common(kind, NOTHING, _THREE + block(_ONE + block(part) + ends)))
    return written


def trailers(kind: int, taken: list[bytes]) -> bytes:
    """Go on with trailers, but for those of these names."""
    written = _changes(Changes(taken=taken))
    return _KINDS[kind] + block(_ONE + block(written) if written else b"")


def at_once(status: int, lines: Lines, body: bytes, details: str) -> bytes:
    """Answer the client at once; nothing goes on.

    Args:
        status: Of HTTP.
        lines: The head.
        body: Of the answer.
        details: For Envoy's access log.
    """
    content = _ONE + block(tag(1, VARINT) + varint(status)) + _TWO + block(_changes(Changes(put=lines)))
    if body:
        content += _THREE + block(body)
    return _KINDS[AT_ONCE] + block(content + tag(5, LENGTH) + block(details.encode()))
