"""Virtual keys as a store has them, with what a test does not care about filled in."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from gateway.core.key_token import make_id, make_token
from gateway.core.keys import KeySecret, StoredKey, digest_secret

PEPPER = b"p" * 32
NOW_S = 1_700_000_000


def minted(pepper: bytes = PEPPER, **fields: Any) -> tuple[StoredKey, str]:
    """A key, and its token."""
    key_id = fields.pop("id", "") or make_id(os.urandom(8))
    token = make_token(key_id, os.urandom(32))
    secret = KeySecret(digest=digest_secret(token.encode(), pepper), created_s=NOW_S)
    return StoredKey(id=key_id, created_s=NOW_S, secrets=(secret,), **fields), token


def changed(key: StoredKey, **fields: Any) -> StoredKey:
    """The key after a change."""
    return msgspec.structs.replace(key, revision=key.revision + 1, **fields)
