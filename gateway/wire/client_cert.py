"""``x-forwarded-client-cert``: what a proxy says of the certificates of those before it.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert: elements
separated by commas, one a proxy on the way; pairs of a name and a value separated by semicolons; a value with one of
``,;=`` in it stands in double quotes, and a quote within them behind a backslash. What is not exactly that is refused:
two readers could take it for two things.
"""

from __future__ import annotations

from gateway.core.errors import MalformedRequest

HEADER = b"x-forwarded-client-cert"
MAX_BYTES = 32_768
MAX_ELEMENTS = 16
_NAMES = frozenset({"by", "hash", "cert", "chain", "subject", "uri", "dns"})
# These may be there several times: a certificate has any number of alternative names.
_MANY = frozenset({"by", "uri", "dns"})

Element = dict[str, tuple[str, ...]]


def parse_client_certs(value: bytes) -> tuple[Element, ...]:
    """Read the header.

    Returns:
        What each proxy said, the nearest last: values by lower-case name.

    Raises:
        MalformedRequest: It is not of that form, or too long.
    """
    if len(value) > MAX_BYTES:
        raise MalformedRequest("The header x-forwarded-client-cert is too long.")
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        raise _malformed() from None
    if not text.isprintable():
        raise _malformed()
    elements: list[Element] = []
    at = 0
    while True:
        element, at = _element(text, at)
        elements.append(element)
        if len(elements) > MAX_ELEMENTS:
            raise _malformed()
        if at == len(text):
            return tuple(elements)
        # Past the comma, and the blank that joins header lines.
        at += 1
        while text[at : at + 1] == " ":
            at += 1


def _element(text: str, at: int) -> tuple[Element, int]:
    """Read one element; returns it and where it ends: at a comma, or with the text."""
    found: dict[str, tuple[str, ...]] = {}
    while True:
        equals = text.find("=", at)
        name = text[at:equals].lower() if equals >= 0 else ""
        if name not in _NAMES:
            raise _malformed()
        value, at = _value(text, equals + 1)
        if name in found and name not in _MANY:
            raise _malformed()
        found[name] = (*found.get(name, ()), value)
        if at == len(text) or text[at] == ",":
            return found, at
        # A semicolon: another pair follows.
        at += 1


def _value(text: str, at: int) -> tuple[str, int]:
    """Read one value; returns it and where it ends: at a semicolon, a comma, or with the text."""
    if text[at : at + 1] != '"':
        end = at
        while end < len(text) and text[end] not in ',;="':
            end += 1
        value = text[at:end].rstrip(" ") if text[end : end + 1] in ("", ",") else text[at:end]
    else:
        value, end = _quoted(text, at + 1)
    if end < len(text) and text[end] not in ",;":
        raise _malformed()
    return value, end


def _quoted(text: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    while at < len(text):
        sign = text[at]
        if sign == '"':
            return "".join(parts), at + 1
        if sign == "\\":
            at += 1
            sign = text[at : at + 1]
            # Of a name in a certificate: its own escapes stay as they are.
            sign = sign if sign == '"' else "\\" + sign
        parts.append(sign)
        at += 1
    raise _malformed()


def _malformed() -> MalformedRequest:
    return MalformedRequest("The header x-forwarded-client-cert cannot be read.")
