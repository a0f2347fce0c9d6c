"""What workers that share a store tell each other of a stream while it runs: the form of it, and where it is left.

Who leads a stream says it part by part, in answer to somebody wanting it, under the key of what it answers. Each part
begins with the stream's own token, so that nobody ever puts together two streams: what was said of an earlier one may
still lie there. A stream that rules may still change is not left there for anybody to read: its pieces are sealed, for
the workers of the same gateway alone.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec

TOKEN_BYTES = 8
_HEAD, _PIECE, _ALIVE, _END = b"h", b"p", b"a", b"e"


class Relays(Protocol):
    """The place; all of it may raise :class:`gateway.core.errors.StoreUnavailable`."""

    async def want(self, key: bytes, for_s: float) -> None:
        """Ask whoever leads the stream to say it, for so long."""
        ...

    async def wanted(self) -> set[bytes]:
        """Give the keys that somebody wants now; not more than can be led at once."""
        ...

    async def say(self, key: bytes, parts: list[bytes], for_s: float, *, anew: bool) -> bool | None:
        """Leave the next parts, for so long at least; ``anew``: in the place of all that was said before.

        True where they were left, ``None`` where they were certainly not; false where nobody knows.
        """
        ...

    async def lies(self, key: bytes) -> tuple[bytes, int]:
        """Give the first part, empty where there is none, and how many there are."""
        ...

    async def said(self, key: bytes, after: int) -> list[bytes]:
        """Give the parts behind the first so many."""
        ...


class Head(msgspec.Struct, array_like=True):
    """What a stream begins with.

    Attributes:
        dialect: In which it is written.
        media_type: Of its events.
        origin: The exchange that it is an answer to.
        sealed_by: Name of the key that opens its pieces; empty where everybody may read them.
    """

    dialect: str
    media_type: bytes
    origin: str
    sealed_by: bytes = b""


class End(msgspec.Struct, array_like=True):
    """What it ends with: whether all of it came, what it cost, and how long it took."""

    whole: bool
    cost_nanousd: Annotated[int, msgspec.Meta(ge=0)] | None
    took_ms: Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class Part(msgspec.Struct):
    """One part, as it was read: a head, a piece of the stream, a sign of life, or the end."""

    token: bytes
    kind: Literal["head", "piece", "alive", "end"]
    piece: bytes = b""
    head: Head | None = None
    end: End | None = None


def head_part(token: bytes, head: Head) -> bytes:
    """Write a stream's head."""
    return token + _HEAD + msgspec.msgpack.encode(head)


def piece_part(token: bytes, piece: bytes) -> bytes:
    """Write a piece of it."""
    return token + _PIECE + piece


def alive_part(token: bytes) -> bytes:
    """Write that nothing has come, and that something may."""
    return token + _ALIVE


def end_part(token: bytes, end: End) -> bytes:
    """Write its end."""
    return token + _END + msgspec.msgpack.encode(end)


def read_part(data: bytes) -> Part | None:
    """Read a part; ``None`` of what is none."""
    token, kind, rest = data[:TOKEN_BYTES], data[TOKEN_BYTES : TOKEN_BYTES + 1], data[TOKEN_BYTES + 1 :]
    try:
        if kind == _HEAD:
            return Part(token, "head", head=msgspec.msgpack.decode(rest, type=Head))
        if kind == _END:
            return Part(token, "end", end=msgspec.msgpack.decode(rest, type=End))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if kind == _PIECE:
        return Part(token, "piece", piece=rest)
    return Part(token, "alive") if kind == _ALIVE else None
