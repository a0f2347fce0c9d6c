"""Names of stored answers on their way to the client, who gets them with a seal: which provider keeps them, and whose.

A name is replaced where it is a whole JSON string. Quotes inside strings are escaped, so the bytes of a quoted name are
never part of what a model wrote.
"""

from __future__ import annotations

import re

import msgspec

from gateway.core.exchange import Request

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,256}")
_NAMED = frozenset(("response", "response.deleted"))


class _Names(msgspec.Struct):
    id: str = ""
    previous_response_id: str | None = None
    object: str = ""


class _Event(msgspec.Struct):
    response: _Names | None = None


_of_document = msgspec.json.Decoder(_Names).decode
_of_event = msgspec.json.Decoder(_Event).decode


def sealed(body: bytes, request: Request) -> bytes:
    """Seal the names in a whole answer.

    Args:
        body: A JSON document; anything else stays as it is.
        request: Knows the seal, if there is one.
    """
    if request.seal is None:
        return body
    try:
        names = _of_document(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body
    return _replaced(body, names, request) if names.object in _NAMED else body


def sealed_event(raw: bytes, data: bytes, request: Request) -> bytes:
    """Seal the names in an event that carries a whole answer.

    Args:
        raw: The event.
        data: Its document.
        request: As said.
    """
    if request.seal is None:
        return raw
    try:
        names = _of_event(data).response
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw
    return raw if names is None else _replaced(raw, names, request)


def _replaced(data: bytes, names: _Names, request: Request) -> bytes:
    for name in dict.fromkeys((names.id, names.previous_response_id)):
        if name and request.seal is not None and _PLAIN.fullmatch(name):
            # What the client wrote is what it reads again.
            shown = request.stored if name == request.kept else request.seal(name)
            data = data.replace(b'"%b"' % name.encode(), b'"%b"' % shown.encode())
    return data
