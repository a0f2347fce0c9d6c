"""Builds what tells callers apart, as the configuration asks."""

from __future__ import annotations

from gateway.app.key_stores import key_store
from gateway.app.keyring import KeyRing
from gateway.config.settings import Settings
from gateway.core.ports import Identity
from gateway.identity.open import OpenIdentity


def build_identity(settings: Settings, keyring: KeyRing) -> Identity:
    """Build it.

    Args:
        settings: The checked configuration.
        keyring: Has the virtual keys, where these are asked for.
    """
    if settings.identity == "open":
        return OpenIdentity()
    keyring.follow(key_store(settings))
    return keyring.identity(settings.keys)
