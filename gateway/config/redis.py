"""Where Redis is: a URL taken apart, whose password is a reference."""

from __future__ import annotations

import re
from typing import Literal, Protocol

import msgspec

from gateway.config.addresses import Address
from gateway.config.references import References, Secret
from gateway.config.source import Document, NodePath

_REDIS = re.compile(
    r"(rediss?)://(?:([A-Za-z0-9_.-]*)(?::((?:env|file):[^@]+))?@)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::([0-9]{1,5}))?(?:/([0-9]{1,3}))?"
)
_LIKE = "should be redis://host:port/0 or rediss://user:env:VARIABLE@host:port/0"


class RedisStore(msgspec.Struct, frozen=True, kw_only=True):
    """One database of a Redis server."""

    address: Address
    database: int = 0
    user: str = ""
    password: Secret | None = None
    tls: bool = False


class SharedCounting(msgspec.Struct, frozen=True, kw_only=True):
    """Where limits are counted together, and what holds while nobody answers there.

    Attributes:
        timeout_s: How long a call waits for an answer.
        on_error: ``local``: each worker counts its share for itself; ``allow`` and ``deny`` decide for all calls.
    """

    redis: RedisStore
    timeout_s: float = 0.05
    on_error: Literal["local", "allow", "deny"] = "local"


class Counted(Protocol):
    """What people write of it."""

    @property
    def state(self) -> str:
        """Where: a URL."""
        ...

    @property
    def state_timeout_s(self) -> float | None:
        """How long a call waits."""
        ...

    @property
    def on_store_error(self) -> Literal["local", "allow", "deny"] | None:
        """What holds meanwhile."""
        ...


class RedisUrl(msgspec.Struct, frozen=True):
    """A Redis server's URL taken apart; ``password`` is a reference, never the password."""

    address: Address
    database: int
    user: str
    password: str | None
    tls: bool


def parse_redis(url: str) -> RedisUrl:
    """Read ``redis://user:env:VAR@host:port/database``; all but the host may be left out.

    Raises:
        ValueError: It is not one, or holds the password itself.
    """
    match = _REDIS.fullmatch(url)
    if match is None or int(match[5] or 1) > 65535 or match[5] == "0":
        raise ValueError(_LIKE)
    scheme, user, password, host, port, database = match.groups()
    address = Address(host.strip("[]"), int(port or 6379))
    return RedisUrl(address, int(database or 0), user or "", password, scheme == "rediss")


def redis_store(url: str | None, references: References, document: Document, path: NodePath) -> RedisStore | None:
    """Make of a URL that has been checked what a client needs; the password is looked up."""
    if url is None:
        return None
    parts = parse_redis(url)
    password = references.resolve(parts.password, document, path)
    return RedisStore(address=parts.address, database=parts.database, user=parts.user, password=password, tls=parts.tls)


def shared_counting(stores: Counted, references: References, document: Document) -> SharedCounting | None:
    """Give where limits are counted together; ``None`` where they are counted in memory."""
    url = None if stores.state == "memory://" else stores.state
    redis = redis_store(url, references, document, ("stores", "state"))
    if redis is None:
        return None
    return SharedCounting(
        redis=redis, timeout_s=stores.state_timeout_s or 0.05, on_error=stores.on_store_error or "local"
    )
