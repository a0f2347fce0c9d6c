"""What a request's headers say of its body: whether it is JSON, and that everybody decodes it to the same text.

A body is read here as UTF-8 without a coding. A provider that obeys ``charset=utf-7`` or ``content-encoding: deflate``
would read another document in the same bytes, so neither is let through with one.
"""

from __future__ import annotations

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Headers

_JSON_TYPES = frozenset((b"application/json", b"text/json"))
_UTF8 = frozenset((b"utf-8", b"utf8"))
_IDENTITY = (b"identity", b"")
# What senders that do not think of a type send, curl among them; many providers read JSON all the same.
_CARELESS = frozenset((b"", b"application/x-www-form-urlencoded", b"text/plain"))
# How a JSON document can begin, for a reader that knows byte order marks and wider encodings.
_BEGINNINGS = (b"{", b"[", b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe", b"\0")


def check_json(headers: Headers) -> None:
    """Check that a body that will be read as JSON is in UTF-8 and in no content coding, as far as its headers say.

    Raises:
        MalformedRequest: They say something else.
    """
    written = headers.get(b"content-type", b"application/json")
    if written != b"application/json":
        _, _, parameters = written.lower().partition(b";")
        # Some readers take the first of several, others the last.
        for part in parameters.replace(b" ", b"").replace(b"\t", b"").split(b";"):
            if part.startswith(b"charset") and part.partition(b"=")[2].strip(b"\"'") not in _UTF8:
                raise MalformedRequest("A JSON body must be UTF-8.")
    if b"content-encoding" in headers and headers[b"content-encoding"].lower() not in _IDENTITY:
        raise MalformedRequest("A JSON body must come without a content coding.")


def is_json(headers: Headers, body: bytes) -> bool:
    """Say whether a body is to be read as JSON: its type says so, or says nothing of the kind and it looks like it."""
    if not body:
        return False
    media = headers.get(b"content-type", b"").lower().partition(b";")[0].strip()
    if media in _CARELESS:
        return body.lstrip(b" \t\r\n").startswith(_BEGINNINGS)
    return media in _JSON_TYPES or media.endswith(b"+json")
