"""What a caller shows us: one secret, wherever the clients of a dialect send it."""

from __future__ import annotations

from gateway.core.errors import AuthenticationFailed
from gateway.core.exchange import Headers

_AUTHORIZATION = b"authorization"
# How each dialect's clients send a key, besides "Authorization: Bearer".
_PLAIN_HEADERS = (b"x-api-key", b"api-key", b"x-goog-api-key")
# Clients of Amazon sign what they send. A key is the name that they sign with; what they sign with it is their affair.
_SIGNED, _NAME = b"AWS4-HMAC-SHA256 ", b"Credential"
_OF_A_SIGNATURE = (_AUTHORIZATION, b"x-amz-content-sha256", b"x-amz-date", b"x-amz-security-token")

Carried = bytes | tuple[bytes, ...]


def read_credential(headers: Headers) -> tuple[bytes, Carried]:
    """Find the secret, and the header or headers that carried it; both empty when there is none.

    Raises:
        AuthenticationFailed: There are two, and they differ.
    """
    secret = b""
    consumed: Carried = b""
    value = headers.get(_AUTHORIZATION)
    if value is not None:
        if value[:7].lower() == b"bearer ":
            secret, carried = value[7:].strip(), _AUTHORIZATION
        else:
            secret, carried = _signer(value), _OF_A_SIGNATURE
        consumed = carried if secret else b""
    for name in _PLAIN_HEADERS:
        if name in headers:
            other = headers[name].strip()
            if secret and other and other != secret:
                raise AuthenticationFailed("The request carries two different API keys; send one.")
            if other:
                secret, consumed = other, _joined(consumed, name)
    return secret, consumed


def _signer(value: bytes) -> bytes:
    """The name that a request is signed with (AWS Signature Version 4); nothing when it is not signed."""
    if value.startswith(_SIGNED):
        for part in value[len(_SIGNED) :].split(b","):
            name, _, scope = part.strip().partition(b"=")
            if name == _NAME:
                return scope.partition(b"/")[0]
    return b""


def _joined(consumed: Carried, name: bytes) -> Carried:
    if not consumed:
        return name
    return (*consumed, name) if isinstance(consumed, tuple) else (consumed, name)
