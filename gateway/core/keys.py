"""A virtual key as the configuration declares it. The secret itself is digested where it is read, and kept nowhere."""

from __future__ import annotations

import hashlib

import msgspec


class DeclaredKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key and whose it is.

    Attributes:
        id: Public name of the key, in records and logs.
        digest: :func:`digest_secret` of the secret, under the process's own random key.
        team: Whose calls these are.
        tenant: The organisation the team belongs to.
        name: What people call the key.
        tags: On every exchange of this key.
        models: Globs of the aliases this key may name; empty for all.
    """

    id: str
    digest: bytes
    team: str = ""
    tenant: str = ""
    name: str = ""
    tags: dict[str, str] = {}
    models: tuple[str, ...] = ()


def digest_secret(secret: bytes, process_key: bytes) -> bytes:
    """Digest a secret, so that it can be looked up without being kept.

    Args:
        secret: As the client sends it.
        process_key: 16 to 64 random bytes, drawn when the process starts: a digest is worth nothing anywhere else.

    Returns:
        32 bytes.
    """
    return hashlib.blake2b(secret, digest_size=32, key=process_key).digest()
