"""From where a configuration says Redis is to what its drivers take."""

from __future__ import annotations

from gateway.clients.redis_line import RedisAccess
from gateway.config.redis import RedisStore


def access_to(redis: RedisStore) -> RedisAccess:
    """Give the way to a database; its password is revealed here and nowhere else."""
    return RedisAccess(
        host=redis.address.host,
        port=redis.address.port,
        database=redis.database,
        user=redis.user,
        password=None if redis.password is None else redis.password.reveal(),
        tls=redis.tls,
    )
