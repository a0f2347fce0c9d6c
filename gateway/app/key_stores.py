"""Where a configuration keeps its virtual keys."""

from __future__ import annotations

from importlib import import_module

from gateway.app.redis_access import access_to
from gateway.clients.key_file import KeyFile
from gateway.config.settings import Settings
from gateway.plugin.keys import KeyStore

# Loaded where it is asked for only: the driver is some megabytes.
_REDIS = "gateway.clients.redis_keys"


def key_store(settings: Settings) -> KeyStore:
    """Make the store; nothing is opened yet."""
    redis = settings.key_store
    if redis is None:
        return KeyFile(settings.home)
    module = import_module(_REDIS)
    access = access_to(redis)
    return module.RedisKeys(access)
