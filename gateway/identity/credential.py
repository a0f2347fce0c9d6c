"""What a caller shows us: one secret, wherever the clients of a dialect send it."""

from __future__ import annotations

from gateway.core.errors import AuthenticationFailed
from gateway.core.exchange import Headers

_AUTHORIZATION = b"authorization"
# How each dialect's clients send a key, besides "Authorization: Bearer".
_PLAIN_HEADERS = (b"x-api-key", b"api-key", b"x-goog-api-key")


def read_credential(headers: Headers) -> tuple[bytes, bytes | tuple[bytes, ...]]:
    """Find the secret, and the header or headers that carried it; both empty when there is none.

    Raises:
        AuthenticationFailed: There are two, and they differ.
    """
    secret = b""
    consumed: bytes | tuple[bytes, ...] = b""
    value = headers.get(_AUTHORIZATION)
    if value is not None and value[:7].lower() == b"bearer ":
        secret = value[7:].strip()
        consumed = _AUTHORIZATION if secret else b""
    for name in _PLAIN_HEADERS:
        if name in headers:
            other = headers[name].strip()
            if secret and other and other != secret:
                raise AuthenticationFailed("The request carries two different API keys; send one.")
            if other:
                secret, consumed = other, _joined(consumed, name)
    return secret, consumed


def _joined(consumed: bytes | tuple[bytes, ...], name: bytes) -> bytes | tuple[bytes, ...]:
    if not consumed:
        return name
    return (*consumed, name) if isinstance(consumed, tuple) else (consumed, name)
