"""What callers show the gateway goes nowhere else.

Neither the key that let them in, wherever they repeat it, nor whatever else looks like one of the gateway's keys. And
what lets the gateway in at a provider is not shown to callers, though the provider may quote it.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from gateway.core.exchange import Headers
from gateway.core.key_token import PREFIX

_MARK = PREFIX.encode()
_OURS = re.compile(rb"(?<![0-9A-Za-z_-])" + _MARK)
_SIGNER = re.compile(rb"Credential=([^/,\s]+)")
_SIGNED = b"AWS4-HMAC-SHA256 "
# Headers of which more than the secret says something: a signature's date, a certificate with its names.
_SECRETS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-amz-security-token")
# A shorter secret stands in other words by chance: it is looked for as a whole value.
_LEAST_BYTES = 8
_HIDDEN = b"***"


def shown(headers: Headers, consumed: frozenset[bytes]) -> tuple[bytes, ...]:
    """Give the secrets that let a caller in.

    Args:
        headers: As the client sent them.
        consumed: Names of those that carried the credential.
    """
    if not consumed:
        return ()
    return tuple({secret for name in _SECRETS if name in consumed and (secret := _secret(headers.get(name, b"")))})


def reveals(value: bytes, secrets: tuple[bytes, ...]) -> bool:
    """Say whether a value holds one of these, or what looks like a key of the gateway's."""
    if _MARK in value and _OURS.search(value) is not None:
        return True
    return any(secret == value or (len(secret) >= _LEAST_BYTES and secret in value) for secret in secrets)


def kept(lines: list[bytes], secrets: tuple[bytes, ...]) -> list[bytes]:
    """Leave out the header lines, ``name: value``, that reveal something."""
    if not secrets and _MARK not in b"\n".join(lines):
        return lines
    return [line for line in lines if not reveals(line.partition(b": ")[2], secrets)]


def query_kept(query: str, secrets: tuple[bytes, ...]) -> str:
    """Leave out the parameters of a query that reveal something, in whatever way they are escaped."""
    if not query:
        return query
    return "&".join(part for part in query.split("&") if not _part_reveals(part, secrets))


def target_kept(target: str, secrets: tuple[bytes, ...]) -> str:
    """Do so for a path with its query."""
    path, mark, query = target.partition("?")
    if not mark:
        return target
    left = query_kept(query, secrets)
    return target if left == query else f"{path}?{left}".rstrip("?")


def without_own(text: bytes, credential: bytes) -> bytes:
    """Write over what the gateway itself is let in with, wherever a text quotes it.

    Args:
        text: Of a provider's error.
        credential: Header lines, each ending in CRLF.
    """
    for line in credential.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        secret = _secret(value)
        if name in _SECRETS and len(secret) >= _LEAST_BYTES:
            text = text.replace(secret, _HIDDEN)
    return text


def _part_reveals(part: str, secrets: tuple[bytes, ...]) -> bool:
    plain = unquote_to_bytes(part.replace("+", " "))
    # Who decodes twice must not find it either.
    for read in (part.encode(), plain, unquote_to_bytes(plain)):
        if reveals(read, secrets) or reveals(read.partition(b"=")[2], secrets):
            return True
    return False


def _secret(value: bytes) -> bytes:
    if value.startswith(_SIGNED):
        found = _SIGNER.search(value)
        return b"" if found is None else found[1]
    return value[7:].strip() if value[:7].lower() == b"bearer " else value.strip()
