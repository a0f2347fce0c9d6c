"""Builds what tells callers apart, as the configuration asks."""

from __future__ import annotations

import os

from gateway.config.settings import Settings
from gateway.core.keys import DeclaredKey, digest_secret
from gateway.core.ports import Identity
from gateway.identity.keys import KeyIdentity
from gateway.identity.open import OpenIdentity


def build_identity(settings: Settings) -> Identity:
    """Build it."""
    if settings.identity == "open":
        return OpenIdentity()
    process_key = os.urandom(32)
    keys = tuple(
        DeclaredKey(
            id=key.id,
            digest=digest_secret(key.secret.reveal().encode(), process_key),
            team=key.team,
            tenant=key.tenant,
            name=key.name,
            tags=key.tags,
            models=key.models,
        )
        for key in settings.keys
    )
    return KeyIdentity(keys, process_key)
