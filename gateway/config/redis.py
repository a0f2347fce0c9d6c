"""Where Redis is: a URL taken apart, whose password is a reference."""

from __future__ import annotations

import re

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
