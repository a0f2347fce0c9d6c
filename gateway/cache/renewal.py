"""Makes of a kept answer one that was never given: its id and the time it was made are new each time.

A provider's id is taken out when an answer is kept, so that it never reaches another caller; a mark of the same form
stands in its place, and is what is replaced when the answer is told again. All that a client reads in JSON is an id or
it is not: within a text, quotes are escaped, so that a mark is never found there.
"""

from __future__ import annotations

import re
from typing import Any, cast

import orjson

from gateway.wire import aws_eventstream

# As many characters as an exchange's id without its dashes.
_MARK = b"wbcachedwbcachedwbcachedwbcached"
# The time: 2100-01-01, when none of this is a cache any more.
_MOMENT = b"4102444800"
_PREFIX = re.compile(r"^[A-Za-z]{1,16}[-_]")
_EVENT_DATA = re.compile(rb"^data: ?(\{.*)$", re.MULTILINE)
# Where each dialect names itself and its time; the first of a stream's events that does counts.
_NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "openai_chat": (("id",), ("created",)),
    "openai_completions": (("id",), ("created",)),
    "openai_responses": (("id", "response.id"), ("created_at", "response.created_at", "completed_at")),
    "anthropic_messages": (("id", "message.id"), ()),
    "gemini": (("responseId",), ()),
}
_KEPT_MOMENT = re.compile(rb'("(?:created|created_at|completed_at)"\s*:\s*)' + _MOMENT + rb"\b")
_MAX_SEARCHED_BYTES = 65_536
# What is shorter could be any word.
_MIN_ID_CHARS = 6
# JSON holds no such byte.
_MOULD_MARK, _MOULD_MOMENT = b"\0i\0", b"\0t\0"


def kept_form(dialect: str, body: bytes, *, stream: bool) -> bytes:
    """Take out of an answer what is to be new when it is told again; one that names no such thing stays as it is."""
    ids, moments = _NAMES.get(dialect, ((), ()))
    first = _first_event(body) if stream else _object(body)
    if first is None:
        return body
    for path in ids:
        if isinstance(found := _at(first, path), str) and len(found) >= _MIN_ID_CHARS:
            body = body.replace(orjson.dumps(found), b'"%b%b"' % (_prefix(found), _MARK))
            break
    for path in moments:
        if isinstance(found := _at(first, path), int) and not isinstance(found, bool):
            name = path.rpartition(".")[2].encode()
            body = re.sub(rb'"%b"(\s*:\s*)%d\b' % (name, found), rb'"%b"\g<1>%b' % (name, _MOMENT), body)
    return body


def renewed(body: bytes, exchange_id: str, now_s: int) -> bytes:
    """Put a new id and the present time into a kept answer."""
    body = body.replace(_MARK, exchange_id.replace("-", "").encode())
    return _KEPT_MOMENT.sub(rb"\g<1>%d" % now_s, body) if _MOMENT in body else body


def mould(body: bytes) -> bytes:
    """Give a kept answer in a form of which :func:`poured` makes any number of new ones quickly. It is no JSON."""
    return _KEPT_MOMENT.sub(rb"\g<1>" + _MOULD_MOMENT, body.replace(_MARK, _MOULD_MARK))


def poured(made: bytes, exchange_id: str, now_s: int) -> bytes:
    """Put a new id and the present time into what :func:`mould` made."""
    return made.replace(_MOULD_MARK, exchange_id.replace("-", "").encode()).replace(_MOULD_MOMENT, b"%d" % now_s)


class Renewing:
    """Gives a stream that is made for another call an id of its own, as it comes.

    Args:
        dialect: In which it is written.
        exchange_id: Of the call that is given it.
    """

    def __init__(self, dialect: str, exchange_id: str) -> None:
        self._ids, _ = _NAMES.get(dialect, ((), ()))
        self._new = exchange_id.replace("-", "").encode()
        self._swap: tuple[bytes, bytes] | None = None
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes, and give those that can be told; an id never reaches beyond its line."""
        if not self._ids:
            return piece
        piece = self._rest + piece
        at = piece.rfind(b"\n") + 1
        piece, self._rest = piece[:at], piece[at:]
        if self._swap is None:
            self._swap = self._found(piece)
        return piece if self._swap is None else piece.replace(*self._swap)

    def rest(self) -> bytes:
        """The stream is over: give what is left."""
        rest, self._rest = self._rest, b""
        return rest

    def _found(self, piece: bytes) -> tuple[bytes, bytes] | None:
        first = _first_event(piece)
        for path in self._ids if first is not None else ():
            if isinstance(found := _at(first or {}, path), str) and len(found) >= _MIN_ID_CHARS:
                return orjson.dumps(found), b'"%b%b"' % (_prefix(found), self._new)
        return None


def event_stream(dialect: str) -> bytes:
    """The media type of a dialect's streams."""
    return aws_eventstream.MEDIA_TYPE if dialect == "bedrock_converse" else b"text/event-stream; charset=utf-8"


def _prefix(found: str) -> bytes:
    match = _PREFIX.match(found)
    return b"" if match is None else match[0].encode()


def _at(document: dict[str, Any], path: str) -> Any:
    here: Any = document
    for name in path.split("."):
        here = cast("dict[str, Any]", here).get(name) if isinstance(here, dict) else None
    return here


def _first_event(body: bytes) -> dict[str, Any] | None:
    match = _EVENT_DATA.search(body, 0, _MAX_SEARCHED_BYTES)
    return None if match is None else _object(match[1].strip())


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None
