"""Where a configuration keeps its answers, for workers and for the operator; see :mod:`gateway.cache`."""

from __future__ import annotations

from importlib import import_module

from gateway.app.redis_access import access_to
from gateway.cache.careful import CarefulStore, Shelf
from gateway.clients.clock import Clock
from gateway.config.settings import Settings

# Loaded where they are asked for only: the driver is some megabytes, the database of the other one.
_REDIS, _HOME = "gateway.clients.redis_cache", "gateway.cache.embedded"


def load_driver(settings: Settings) -> None:
    """Load what the store is made of; before workers are forked, they share it."""
    if settings.cache is not None and settings.cache.store.kind != "memory":
        import_module(_HOME if settings.cache_redis is None else _REDIS)


def answer_shelf(settings: Settings, clock: Clock) -> Shelf | None:
    """Make the store that all processes share; ``None`` where there is none. Nothing is opened yet."""
    rules, redis = settings.cache, settings.cache_redis
    if rules is None or rules.store.kind == "memory":
        return None
    bounds = {"max_bytes": rules.store.max_bytes, "max_entries": rules.store.max_entries}
    neighbours = rules.semantic is not None and rules.semantic.mode != "off"
    if redis is None:
        return import_module(_HOME).EmbeddedShelf(settings.home, clock, **bounds, neighbours=neighbours)
    module = import_module(_REDIS)
    access = access_to(redis)
    return module.RedisCache(access, unix_s=lambda: clock.unix_ms() / 1000, **bounds, neighbours=neighbours)


def answer_store(settings: Settings, clock: Clock) -> CarefulStore | None:
    """Make the store as calls have it; ``None`` where answers are in each worker's memory, or nowhere."""
    shelf = answer_shelf(settings, clock)
    if shelf is None or settings.cache is None:
        return None
    return CarefulStore(shelf, clock, settings.cache.store.timeout_s)
